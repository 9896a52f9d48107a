"""A stranger's data through the real page: read, shown, and when it cannot be, reported plainly with nothing lost."""

from __future__ import annotations

from playwright.sync_api import expect

FILE = "?source=File"

MESSY = """# Station Nord
Datum;Temperatur °C;Wind;Ort
01.03.2024;3,5;4;Kiel
02.03.2024;4,1;;Kiel
03.03.2024;n/a;6;Kiel
04.03.2024;2,9;11;Kiel
08.03.2024;0,4;9;Kiel

"""


def upload(inspector, name: str, data: bytes) -> None:
    inspector.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": data})


def test_messy_csv_is_read_and_described(inspector):
    inspector.open(FILE)
    old = inspector.picture
    upload(inspector, "wetter.csv", MESSY.encode("cp1252"))
    inspector.wait_for_new_picture(old)
    expect(inspector.page.locator(".gv-position")).to_contain_text("of 5")
    legend = " ".join(inspector.page.locator(".gv-plot .legendtext").all_text_contents())
    assert "Temperatur °C" in legend
    inspector.page.get_by_text("Note:").click()
    for phrase in ("2 missing cells", "'Ort'", "unevenly spaced"):
        expect(
            inspector.page.get_by_test_id("stExpander").filter(has_text="Note:").get_by_text(phrase).first
        ).to_be_visible()
    inspector.page.get_by_text("Parsing options").click()
    expect(inspector.page.get_by_text("Semicolon-separated, decimal comma").first).to_be_visible()


BAD = {
    "empty.csv": (b"", "empty"),
    "header.csv": (b"a,b\n", "no data row"),
    "one.csv": (b"a,b\n1,2\n", "1 data row"),
    "junk.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "PNG"),
    "wide.csv": (b"\n".join([b",".join(b"%d" % i for i in range(5000))] * 3), "5,000 columns"),
    "void.csv": (b"a,b\n,\n,\n,\n", "not missing"),
}


def test_bad_file_gets_a_message_the_view_stays_and_the_page_recovers(inspector):
    inspector.open(FILE)
    good = inspector.picture
    inspector.page.locator(".gv-slider").focus()
    inspector.press("Home", "ArrowRight", "ArrowRight")
    alert = inspector.page.get_by_test_id("stAlert")
    for name, (data, phrase) in BAD.items():
        upload(inspector, name, data)
        expect(alert).to_contain_text(name)
        expect(alert).to_contain_text(phrase)
        expect(alert).to_contain_text("The view below is unchanged.")
        inspector.settle()
        assert inspector.picture == good
        assert inspector.step == 3
        assert "Traceback" not in inspector.page.inner_text("body")
    inspector.page.locator(".gv-slider").focus()
    inspector.press("End")
    assert inspector.step > 3
    upload(inspector, "good.csv", b"a,b\n1,2\n3,4\n5,7\n")
    inspector.wait_for_new_picture(good)
    expect(alert).to_have_count(0)


def test_markup_in_a_file_stays_text(inspector):
    inspector.open(FILE)
    old = inspector.picture
    evil = "<img src=x onerror=\"document.title='owned'\">"
    upload(inspector, "evil<b>.csv", f'time,"{evil.replace(chr(34), chr(34) * 2)}"\n{evil[:20]},1\nb,2\nc,3\n'.encode())
    inspector.wait_for_new_picture(old)
    inspector.page.wait_for_timeout(500)
    assert inspector.page.title() != "owned"
    assert inspector.page.locator(".gv-inspector img").count() == 0


def test_long_form_becomes_several_sequences(inspector):
    inspector.open(FILE)
    old = inspector.picture
    rows = "".join(f"{who},{day},{day * (1 + i) % 7}\n" for i, who in enumerate("abc") for day in range(1, 9 + i))
    upload(inspector, "visits.csv", f"patient,day,dose\n{rows}".encode())
    inspector.wait_for_new_picture(old)
    expect(inspector.page.get_by_role("combobox", name="Sequence", exact=True)).to_be_visible()
    expect(inspector.page.get_by_role("combobox", name="Sequence", exact=True)).to_have_value("patient a")
    expect(inspector.page.get_by_text("“Sequence ID column” none").first).to_be_attached()
    inspector.choose("Sequence", "patient c")
    expect(inspector.page.locator(".gv-position")).to_contain_text("of 10")


def test_typed_text_is_one_step_a_character(inspector):
    inspector.open("?source=Text&text=hello%20gru")
    expect(inspector.page.locator(".gv-position")).to_contain_text("of 9")
    ticks = "".join(inspector.page.locator(".gv-plot .xtick text").all_text_contents())
    assert "gru" in ticks
