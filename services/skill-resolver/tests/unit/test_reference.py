"""What a user may paste, and what must be refused."""

import pytest
from common.errors import AppError, ErrorCode
from hypothesis import given
from hypothesis import strategies as st
from skill_resolver.model.reference import SkillRef, parse, render

OWN = frozenset({"tryskills.example", "127.0.0.1:8000"})
SHA = "0123456789abcdef0123456789abcdef01234567"


def named(skill: str = "", ref: str = "") -> SkillRef:
    return SkillRef("acme", "tools", ref=ref, skill=skill)


def at(path: str, ref: str = "") -> SkillRef:
    return SkillRef("acme", "tools", ref=ref, path=path)


def unsplit(*tail: str) -> SkillRef:
    return SkillRef("acme", "tools", tail=tail)


class TestAccepted:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("acme/tools", named()),
            ("Acme/Tools", named()),
            ("  acme/tools/  ", named()),
            ("`acme/tools/pdf`", named("pdf")),
            ("<https://skills.sh/acme/tools/pdf>", named("pdf")),
            ("[PDF tools](https://skills.sh/acme/tools/pdf)", named("pdf")),
            ("acme/tools/pdf", named("pdf")),
            ("acme/tools/office/pdf", named("office/pdf")),
            ("acme/tools/Name With Spaces", named("Name With Spaces")),
            ("acme/tools/ns:name", named("ns:name")),
            ("acme/tools@pdf", named("pdf")),
            ("acme/tools@pdf#dev", named("pdf", "dev")),
            ("acme/tools@office/pdf", named("office/pdf")),
            ("acme/tools#dev", named(ref="dev")),
            ("acme/tools#feature/x", named(ref="feature/x")),
            ("acme/tools#dev@pdf", named("pdf", "dev")),
            ("acme/tools#@user/branch", named(ref="@user/branch")),
            ("acme/tools/pdf#dev", named("pdf", "dev")),
            (f"acme/tools/pdf@{SHA}", named("pdf", SHA)),
            (f"acme/tools@{SHA}", named(ref=SHA)),
            ("acme/tools.git", named()),
            ("github:acme/tools/pdf", named("pdf")),
            ("github:acme/tools#dev@pdf", named("pdf", "dev")),
            ("github:acme/tools", named()),
            ("git@github.com:acme/tools.git", named()),
            ("ssh://git@github.com/acme/tools.git", named()),
            ("skills.sh/acme/tools/pdf", named("pdf")),
            ("http://www.skills.sh/ACME/tools/pdf?ref=x#top", named("pdf")),
            ("HTTPS://SKILLS.SH/Acme/Tools/pdf/", named("pdf")),
            ("//skills.sh/acme/tools/pdf", named("pdf")),
            ("https://skills.sh/acme/tools/stitch::pdf", named("stitch::pdf")),
            ("https://skills.sh/acme/tools/pdf/security", named("pdf")),
            ("https://skills.sh/acme/tools/pdf/security/socket", named("pdf")),
            ("https://skills.sh/acme/tools/%E6%97%A5%E6%9C%AC", named("日本")),
            ("https://tryskills.example/acme/tools/pdf?session=1", named("pdf")),
            ("127.0.0.1:8000/acme/tools/pdf", named("pdf")),
            ("http://127.0.0.1:8000/acme/tools/pdf/security/snyk", named("pdf")),
            ("/acme/tools/pdf", named("pdf")),
            ("/acme/tools", named()),
            ("/acme/tools/office/security", named("office/security")),
            ("/acme/tools/tree/main/skills/pdf", unsplit("main", "skills", "pdf")),
            (
                "https://127.0.0.1:8000/acme/tools/tree/main/skills/pdf",
                unsplit("main", "skills", "pdf"),
            ),
            ("github.com/acme/tools", named()),
            ("https://github.com/acme/tools?tab=readme-ov-file", named()),
            ("https://github.com/acme/tools/tree/main", at("", "main")),
            ("https://github.com/acme/tools/tree/main/", at("", "main")),
            (
                "https://github.com/acme/tools/tree/main/skills/pdf",
                unsplit("main", "skills", "pdf"),
            ),
            ("https://github.com/acme/tools/tree/HEAD/skills/pdf", at("skills/pdf")),
            (f"https://github.com/acme/tools/tree/{SHA}/a/b", at("a/b", SHA)),
            ("https://github.com/acme/tools/tree/fix%2Fx/a/b", at("a/b", "fix/x")),
            ("https://github.com/acme/tools/tree/fix%2312/a", unsplit("fix#12", "a")),
            (
                "https://github.com/acme/tools/blob/dev/a/SKILL.md#L10",
                unsplit("dev", "a", "SKILL.md"),
            ),
            (
                "https://github.com/acme/tools/raw/refs/heads/dev/a/SKILL.md",
                unsplit("dev", "a", "SKILL.md"),
            ),
            (
                "https://raw.githubusercontent.com/acme/tools/dev/SKILL.md",
                unsplit("dev", "SKILL.md"),
            ),
            ("https://codeload.github.com/acme/tools/tar.gz/refs/heads/dev", named(ref="dev")),
            ("https://github.com/acme/tools/archive/refs/tags/v1.2.zip", named(ref="v1.2")),
            ("https://github.com/acme/tools/releases/tag/v1.2", named(ref="v1.2")),
            (f"https://github.com/acme/tools/commit/{SHA}", named(ref=SHA)),
            ("acme/tools/tree/main/skills/pdf", unsplit("main", "skills", "pdf")),
            ("vercel-labs/vercel-skills", SkillRef("vercel-labs", "agent-skills")),
        ],
    )
    def test_form(self, text: str, expected: SkillRef) -> None:
        assert parse(text, OWN) == expected

    def test_fragment_of_a_page_may_be_an_anchor(self) -> None:
        ref = parse("https://github.com/acme/tools#readme")

        assert ref == SkillRef("acme", "tools", ref="readme", ref_may_be_anchor=True)

    def test_fragment_of_a_repositorys_page_may_name_a_skill(self) -> None:
        ref = parse("https://github.com/acme/tools#dev@pdf")

        assert ref == SkillRef("acme", "tools", ref="dev", skill="pdf", ref_may_be_anchor=True)

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("npx skills add acme/tools", named()),
            ("$ npx skills@latest add acme/tools --skill pdf", named("pdf")),
            ('npx -y skills a acme/tools -s "Name With Spaces" -y', named("Name With Spaces")),
            ("npx skills add https://github.com/acme/tools --skill=pdf", named("pdf")),
            ("npx skills add --skill pdf -a claude-code codex -g acme/tools", named("pdf")),
            ("pnpm dlx skills add acme/tools@pdf --copy", named("pdf")),
            ("npx add-skill acme/tools", named()),
            ("skills add acme/tools --skill '*'", named()),
            ("npx skills add acme/tools/skills/pdf", named("skills/pdf")),
            ("npx skills add acme/tools \\\n  --skill pdf \\\n  -y", named("pdf")),
            ("> npx skills add acme/tools --skill pdf  # the one for forms", named("pdf")),
            ("% bunx skills i acme/tools#dev --all", named(ref="dev")),
            ("npx skills use acme/tools@pdf", named("pdf")),
            ("npx skills add https://skills.sh/acme/tools/pdf", named("pdf")),
            ("npx skills add git@github.com:acme/tools.git -s pdf", named("pdf")),
            ("acme/tools --skill pdf", named("pdf")),
            ("https://github.com/acme/tools -s pdf", named("pdf")),
            (
                "npx skills add acme/tools/packs --skill pdf",
                SkillRef("acme", "tools", skill="pdf", path="packs"),
            ),
            (
                "npx skills add https://github.com/acme/tools/tree/dev/packs --skill pdf",
                SkillRef("acme", "tools", skill="pdf", tail=("dev", "packs")),
            ),
            ("npx skills add https://github.com/acme/tools/tree/dev -s pdf", named("pdf", "dev")),
        ],
    )
    def test_install_command(self, line: str, expected: SkillRef) -> None:
        assert parse(line) == expected


class TestRefused:
    @pytest.mark.parametrize(
        "text",
        [
            *("", "   ", "pdf", "https://skills.sh/", "https://github.com/acme"),
            *("-acme/tools", "acme/..", "acme/tools/../other", "acme//tools", "a" * 40 + "/tools"),
            *("https://skills.sh/acme/tools/..%2f..%2fetc", "acme/tools/%2e%2e/x"),
            *("acme/tools/pdf\r\nHost: evil.example", "acme/tools/a\0b", "x" * 3000),
            *("acme/tools/a%00b", "acme/tools/a%0d%0ab", "https://skills.sh/acme/tools/a%0ab"),
            *("/", "/acme", "//", "https://", "@acme/tools/pdf"),
            *(
                "\u0430cme/tools/pdf",
                "ac\u200bme/tools",
                "help me find a pdf skill",
                "rm -rf / acme/tools/pdf",
            ),
            *(
                "npx skills add",
                'npx skills add acme/tools --skill "open',
                "npx skills add a/b c/d",
            ),
            *("https://user:secret@github.com/acme/tools", "https://token@github.com/acme/tools"),
            *(
                "acme/tools#--upload-pack=x",
                "acme/tools#a..b",
                "https://github.com/acme/tools/tree/-x",
            ),
            *("https://[broken/acme", "https://github.com:x/acme/tools", "github:"),
        ],
    )
    def test_malformed(self, text: str) -> None:
        with pytest.raises(AppError) as refused:
            parse(text, OWN)

        assert refused.value.code in {ErrorCode.SOURCE_MALFORMED, ErrorCode.SOURCE_UNSUPPORTED}

    @pytest.mark.parametrize(
        "text",
        [
            *("https://evil-skills.sh/a/b/c", "https://evil.example/skills.sh/a/b/c"),
            *("https://github.com.evil.example/a/b", "https://evil.example#github.com/a/b"),
            *(
                "https://github.com:8443/a/b",
                "https://xn--gthub-n2a.com/a/b",
                "https://bitbucket.org/a/b",
            ),
            *("https://gist.github.com/a/1", "http://169.254.169.254/latest/meta-data/"),
            *("file:///etc/passwd", "data:text/html,x", "ftp://github.com/a/b", "gitlab:a/b"),
            *(
                "javascript:alert(1)",
                "../../etc/passwd",
                "/etc/passwd",
                "~/skills/pdf",
                "./",
                "C:\\x\\y",
            ),
            *("https://skills.sh/docs/api", "https://skills.sh/site/a.example/b"),
            *("https://tryskills.example/api/skills", "https://github.com/orgs/acme/repositories"),
            *("https://github.com/acme/tools/issues", "https://github.com/acme/tools/pull/7"),
            *("npx skills find pdf", "npx skills list", "/api/skills/resolve", "/dashboard/x"),
            *("/home/me/skills/pdf", "/Users/me/skills/pdf", "/tmp/x/SKILL.md", "/opt/skills/a"),
        ],
    )
    def test_unsupported_source(self, text: str) -> None:
        with pytest.raises(AppError) as refused:
            parse(text, OWN)

        assert refused.value.code == ErrorCode.SOURCE_UNSUPPORTED

    @pytest.mark.parametrize(
        ("source", "path"),
        [
            ("acme/tools", None),
            ("https://github.com/acme/tools", None),
            ("acme/tools/packs", "packs"),
            ("https://github.com/acme/tools/tree/HEAD/packs", "packs"),
        ],
    )
    def test_a_command_with_several_skills_lists_references_to_each(
        self, source: str, path: str | None
    ) -> None:
        with pytest.raises(AppError) as refused:
            parse(f"npx skills add {source} -s pdf docx")

        assert refused.value.code == ErrorCode.SKILL_AMBIGUOUS
        assert [parse(candidate["ref"]) for candidate in refused.value.extra["candidates"]] == [
            SkillRef("acme", "tools", skill=name, path=path) for name in ("pdf", "docx")
        ]

    def test_a_page_that_github_does_not_have_says_what_may_be_meant(self) -> None:
        with pytest.raises(AppError) as refused:
            parse("https://github.com/acme/tools/pdf")

        assert refused.value.code == ErrorCode.SOURCE_UNSUPPORTED
        assert "acme/tools/pdf" in refused.value.detail


OWNERS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True).filter(lambda o: o != "local")
REPOS = st.from_regex(r"[a-z0-9_-][a-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda r: not r.endswith(".git")
)
WORD = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), blacklist_characters="\\"),
    min_size=1,
    max_size=12,
).filter(lambda w: w.strip("/") == w and not {".", "..", ""} & set(w.split("/")))
PATHS = st.lists(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9 _#%+-]{0,8}[a-z0-9]", fullmatch=True),
    min_size=0,
    max_size=4,
)
NAMES = st.from_regex(r"[a-z][a-z0-9 _%'-]{0,9}[a-z]", fullmatch=True)
REFS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}(/[a-z0-9][a-z0-9_-]{0,8}){0,2}", fullmatch=True)


def outcome(text: str) -> SkillRef | ErrorCode:
    """What came of a text; anything but a reference or a refusal is raised."""
    try:
        return parse(text, OWN)
    except AppError as refused:
        return refused.code


class TestProperties:
    @given(st.text(max_size=200))
    def test_no_text_raises_anything_but_a_refusal(self, text: str) -> None:
        assert outcome(text)

    @given(
        st.sampled_from(
            [
                *("https://", "skills.sh/", "github.com/", "npx skills add ", "a/b#", "a/b@"),
                *("/", "//", "/a/b/", "github:", "git@github.com:", "a/b -s ", "a/b/tree/"),
                *("https://raw.githubusercontent.com/a/b/", "https://codeload.github.com/a/b/"),
            ]
        ),
        st.text(),
    )
    def test_no_beginning_of_a_known_form_breaks_it(self, start: str, text: str) -> None:
        assert outcome(start + text)

    @given(OWNERS, REPOS, REFS, PATHS)
    def test_a_path_comes_back_as_it_was_rendered(
        self, owner: str, repo: str, ref: str, path: list[str]
    ) -> None:
        original = SkillRef(owner, repo, ref=ref, path="/".join(path))

        read = parse(render(original))

        assert (read.owner, read.repo) == (owner, repo)
        assert "/".join([read.ref, read.path or "", *read.tail]).strip("/") == "/".join(
            [ref, *path]
        )

    @given(OWNERS, REPOS, NAMES, REFS)
    def test_a_name_comes_back_as_it_was_rendered(
        self, owner: str, repo: str, skill: str, ref: str
    ) -> None:
        original = SkillRef(owner, repo, ref=ref, skill=skill)

        assert parse(render(original)) == original

    @given(OWNERS, REPOS, PATHS.filter(bool), NAMES)
    def test_a_skill_in_a_part_of_a_repository_comes_back_as_it_was_rendered(
        self, owner: str, repo: str, path: list[str], skill: str
    ) -> None:
        original = SkillRef(owner, repo, skill=skill, path="/".join(path))

        assert parse(render(original)) == original

    @given(OWNERS, st.text(max_size=2100))
    def test_an_address_with_a_password_is_refused_and_not_repeated(
        self, name: str, text: str
    ) -> None:
        with pytest.raises(AppError) as refused:
            parse(f"https://{name}:hunter2@github.com/{text}", OWN)

        assert "hunter2" not in refused.value.detail
