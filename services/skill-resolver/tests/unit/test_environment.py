"""Variables in every style of declaration, and names that no skill may set."""

import pytest
from skill_resolver.model import front_matter
from skill_resolver.model.environment import Variable, hints, variables


def declared(head: str = "", body: str = "") -> dict[str, Variable]:
    text = f"---\nname: x\ndescription: d\n{head}---\n\n{body}"
    found, _ = variables(front_matter.parse(text.encode()))
    return {variable.name: variable for variable in found}


class TestStyles:
    @pytest.mark.parametrize(
        ("head", "names"),
        [
            ("required_environment_variables:\n  - A_KEY\n  - B_KEY\n", ["A_KEY", "B_KEY"]),
            ("required_environment_variables: [A_KEY, B_KEY]\n", ["A_KEY", "B_KEY"]),
            ("required_environment_variables:\n  name: A_KEY\n", ["A_KEY"]),
            (
                "required_environment_variables:\n  - name: A_KEY\n  - env_var: B_KEY\n",
                ["A_KEY", "B_KEY"],
            ),
            ("setup:\n  collect_secrets:\n    - env_var: A_KEY\n      prompt: Key\n", ["A_KEY"]),
            ("prerequisites:\n  env_vars: [A_KEY]\n  commands: [jq]\n", ["A_KEY"]),
            ("prerequisites:\n  env_vars:\n    - A_KEY\n", ["A_KEY"]),
            ("prerequisites:\n  env_vars: A_KEY\n", ["A_KEY"]),
            (
                'metadata: {"openclaw": {"requires": {"env": [A_KEY]}, "primaryEnv": "A_KEY"}}\n',
                ["A_KEY"],
            ),
            ("metadata:\n  clawdbot:\n    requires:\n      env: [A_KEY]\n", ["A_KEY"]),
            ('metadata:\n  {"openclaw": {"primaryEnv": "A_KEY"}}\n', ["A_KEY"]),
            ("metadata:\n  openclaw:\n    envVars:\n      - name: A_KEY\n", ["A_KEY"]),
            ("metadata:\n  requires:\n    env: [A_KEY]\n", ["A_KEY"]),
            ("requires:\n  env: [A_KEY]\n", ["A_KEY"]),
            ("env: [A_KEY, production, NODE]\n", ["A_KEY"]),
            ("env_vars:\n  - A_KEY\n  - name: B_KEY\n", ["A_KEY", "B_KEY"]),
            ("environment: production\n", []),
        ],
    )
    def test_front_matter(self, head: str, names: list[str]) -> None:
        assert list(declared(head)) == names

    def test_a_table_under_its_heading(self) -> None:
        table = (
            "## Environment variables\n\n| Variable | Required | Description |\n|---|---|---|\n"
            "| `A_KEY` | Yes | The key |\n| `A_REGION` | No | Where |\n\n"
            "## Usage\n\n| `NOT_ONE` | x |\n"
        )
        found = declared(body=table)

        assert list(found) == ["A_KEY", "A_REGION"]
        assert (found["A_KEY"].required, found["A_REGION"].required) == (True, False)
        assert found["A_KEY"].description == "The key"

    def test_a_list_under_its_heading(self) -> None:
        found = declared(
            body="### Environment Variables\n\n- `A_KEY` (required): key\n- `A_URL` - optional\n"
        )

        assert [(v.name, v.required) for v in found.values()] == [
            ("A_KEY", True),
            ("A_URL", False),
        ]

    @pytest.mark.parametrize(
        "body",
        [
            "```bash\nexport A_KEY=x\n```\n",
            "Set `A_KEY` first.\n",
            "## Environment variables\n\n```\n- `A_KEY`\n```\n",
        ],
    )
    def test_a_mention_is_no_declaration(self, body: str) -> None:
        assert not declared(body=body)

    def test_one_name_declared_thrice_is_asked_for_once(self) -> None:
        head = (
            "required_environment_variables: [A_KEY, A_KEY]\nprerequisites:\n  env_vars: [A_KEY]\n"
        )

        assert list(declared(head)) == ["A_KEY"]

    def test_details_are_kept(self) -> None:
        head = (
            "required_environment_variables:\n  - name: A_KEY\n    prompt: 'Key: paste it'\n"
            "    help: https://acme.example/keys\n    optional: true\n"
        )
        found = declared(head)["A_KEY"]

        assert (found.required, found.description) == (False, "Key: paste it")
        assert found.help_url == "https://acme.example/keys"

    @pytest.mark.parametrize(
        "link",
        [
            "http://acme.example",
            "javascript:alert(1)",
            "https://u:p@acme.example",
            "https://acme.example:99/",
            "see the site",
        ],
    )
    def test_only_a_plain_https_link_is_a_link(self, link: str) -> None:
        head = f"required_environment_variables:\n  - name: A_KEY\n    help: {link}\n"

        assert declared(head)["A_KEY"].help_url is None


class TestRefused:
    @pytest.mark.parametrize(
        "name",
        [
            *(
                "PATH",
                "LD_PRELOAD",
                "ld_preload",
                "PYTHONPATH",
                "NODE_OPTIONS",
                "BASH_ENV",
                "HERMES_HOME",
            ),
            *(
                "API_SERVER_KEY",
                "'BAD NAME'",
                "'X=1'",
                '"A\\nB"',
                "''",
                "7",
                "null",
                "OPENAI_API_KEY",
            ),
        ],
    )
    def test_name(self, name: str) -> None:
        assert list(declared(f"required_environment_variables: [{name}, GOOD_KEY]\n")) == [
            "GOOD_KEY"
        ]

    def test_what_is_left_out_is_told(self) -> None:
        head = front_matter.parse(
            b"---\nname: x\nrequired_environment_variables: [LD_PRELOAD]\n---\n"
        )

        assert "LD_PRELOAD" in variables(head)[1][0]


class TestHints:
    def test_an_example_file_is_a_hint_and_no_declaration(self) -> None:
        files = [
            ("config/.env.example", b"# comment\nA_KEY=\nexport B_KEY=x\nlower=1\n"),
            (".env", b"SECRET_KEY=1\n"),
        ]

        assert hints(files, {"A_KEY"}) == ["An example file sets B_KEY, which is not declared."]
        assert hints(files, {"A_KEY", "B_KEY"}) == []
