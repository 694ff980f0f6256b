"""docs/indicators.md is what the files of the indicators say."""

from __future__ import annotations

from pathlib import Path

from indicators.studied import chosen, studies_of, study, told
from indicators.study_files import find
from signalbox.studies import DeskStudy
from signalbox_cli.indicators_reference import PARTS, page, parts

ROOT = Path(__file__).resolve().parents[2]


def test_page_of_indicators_is_what_their_files_say() -> None:
    way = "run: python -m signalbox_cli.indicators_reference > docs/indicators.md"
    assert (ROOT / "docs" / "indicators.md").read_text() == page(), way


def test_page_says_all_of_each_study() -> None:
    for name, formula in find().items():
        assert all(parts(formula)[part] for part in ("", *PARTS)), name
        assert f"\n### {name}\n" in page()


def test_own_study_of_the_page_is_one(tmp_path: Path) -> None:
    (tmp_path / "gap.py").write_text(page().split("```python\n")[1].split("```")[0])
    studies, _ = studies_of([DeskStudy(name="gap")], find(tmp_path))
    state = chosen(studies, "SPY", "1m")
    for opened in (10.0, 12.5):
        state = study(state, (1, opened, 13.0, 9.0, 11.0, 5.0, True))
    assert told(state) == {"gap": 1.5}
