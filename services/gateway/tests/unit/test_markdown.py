"""What strangers and models write is shown and cannot act."""

import re
from urllib.parse import quote

import pytest
from gateway.web.blocks import Blocks
from gateway.web.markdown import coloured_file, render
from hypothesis import given
from hypothesis import strategies as st

SESSION = "ses_" + "2" * 20
WORKSPACE = {"session": SESSION, "files": f"/api/sessions/{SESSION}/files/content?path="}
LINES = st.sampled_from(
    [
        "",
        "plain words",
        "**bold** and `code`",
        "# Title",
        "- item",
        "  - nested",
        "* other",
        "1. one",
        "2) two",
        "> quote",
        "    indented",
        "```python",
        "```",
        "~~~",
        "x = 1",
        "---",
        "===",
        "| a | b |",
        "| - | - |",
        "| 1 | 2 |",
        "<script>alert(1)</script>",
        "[link](https://example.org)",
        "*",
        "1.",
        "\u2028odd\x0bline\x1c",
    ]
)


def only_words(html: str) -> str:
    return re.sub(r"\s+", " ", html).strip()


class TestRender:
    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "![x](javascript:alert(1))",
            '![a" onerror="alert(1)](https://e.example/x.png)',
            "<a href='javascript:alert(1)'>x</a>",
            '```"><script>alert(1)</script>\nx\n```',
            "```html\n<script>alert(1)</script>\n```",
            "<hx-partial hx-target='#x' hx-get='/api/me'>x</hx-partial>",
            "<div hx-get='/x' hx-trigger='load'>x</div>",
            "<template hx type=partial>x</template>",
            "[x](https://e.example 'onclick=\"alert(1)\"')",
            "<style>*{display:none}</style>",
            "<svg/onload=alert(1)>",
            "|a|\n|-|\n|<b onclick=x>|",
        ],
    )
    def test_hostile_text_is_inert(self, text: str) -> None:
        html = render(text)

        tags = re.findall(r"<[^>]*>", html)
        joined = " ".join(tags).lower()
        for word in (
            "script",
            "javascript:",
            "data:",
            "onerror=",
            "hx-",
            "<style",
            "<svg",
            "<img",
        ):
            assert word not in re.sub(r'title="[^"]*"', "", joined)
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', '""', joined))

    def test_a_link_leads_out_without_telling_where_from(self) -> None:
        html = render("[x](https://example.org)")

        assert 'rel="noopener noreferrer nofollow"' in html
        assert 'target="_blank"' in html

    def test_an_image_is_a_link_so_that_no_other_site_is_asked(self) -> None:
        html = render("![a cat](https://example.org/cat.png)")

        assert "<img" not in html
        assert '<a href="https://example.org/cat.png"' in html
        assert "a cat" in html

    @pytest.mark.parametrize(
        ("source", "path"),
        [
            ("chart.png", "chart.png"),
            ("./out/a%20b.PNG", "out/a b.PNG"),
            (f"/home/x/work/{SESSION}/out/c.webp", "out/c.webp"),
        ],
    )
    def test_an_image_of_the_workspace_is_shown(self, source: str, path: str) -> None:
        html = render(f'![a "chart"]({source})', env=dict(WORKSPACE))

        assert f'src="{WORKSPACE["files"]}{quote(path, safe="")}"' in html
        assert 'alt="a &quot;chart&quot;"' in html

    @pytest.mark.parametrize(
        "source",
        ["/etc/passwd.png", "//e.example/x.png", "https://e.example/x.png", "notes.txt", "data:x"],
    )
    def test_no_other_image_is(self, source: str) -> None:
        assert "<img" not in render(f"![x]({source})", env=dict(WORKSPACE))

    def test_headings_stay_below_those_of_the_page(self) -> None:
        assert re.findall(r"</?h\d", render("# a\n## b")) == ["<h3", "</h3", "<h4", "</h4"]
        assert re.findall(r"<h\d", render("# a", shift=1)) == ["<h2"]

    def test_no_heading_skips_a_level_wherever_a_model_begins(self) -> None:
        assert re.findall(r"<h\d", render("### a\n###### b\n## c")) == ["<h3", "<h4", "<h4"]

    def test_code_is_coloured_by_classes_not_by_styles(self) -> None:
        html = render("```python\ndef f(): pass\n```")

        assert 'class="h-' in html
        assert "style=" not in html

    def test_a_file_of_any_name_and_content_is_escaped(self) -> None:
        for path in ("x.py", "x.html", "x.unknown", "x"):
            assert "<script" not in coloured_file("<script>1</script>", path)


class TestBlocks:
    @given(lines=st.lists(LINES, max_size=14), data=st.data())
    def test_written_bit_by_bit_it_ends_as_if_rendered_at_once(
        self, lines: list[str], data: st.DataObject
    ) -> None:
        text = "\n".join(lines)
        blocks = Blocks()
        position = 0
        while position < len(text):
            size = data.draw(st.integers(1, 30))
            blocks.add(text[position : position + size])
            blocks.settle()
            position += size

        html = "".join([*blocks.final, blocks.tail(is_finished=True)])

        assert only_words(html) == only_words(render(text))

    def test_a_final_block_never_changes(self) -> None:
        blocks = Blocks()
        blocks.add("one\n\ntwo\n\nthr")
        blocks.settle()
        before = list(blocks.final)

        blocks.add("ee\n\n[1]: https://example.org\n\nfour [1]\n\n- x\n")
        blocks.settle()

        assert before == ["<p>one</p>\n"]
        assert blocks.final[: len(before)] == before
        assert "https://example.org" in "".join(blocks.final)

    def test_half_a_line_decides_nothing(self) -> None:
        blocks = Blocks()
        blocks.add("- item\n*")
        blocks.settle()

        assert blocks.final == []

    def test_a_line_end_cut_in_two_is_one(self) -> None:
        blocks = Blocks()
        for part in ("one\r", "\n\r", "\ntwo"):
            blocks.add(part)
        blocks.settle()

        assert only_words(blocks.tail(is_finished=True)) == "<p>one</p> <p>two</p>"
