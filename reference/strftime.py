"""Dates as Python's strftime writes them under LC_ALL=C, for the templates' strftime_now.

Writes golden/strftime.json: {format: [text for each of DATES]}. No packages are needed.
"""

import json
import locale
from datetime import datetime
from pathlib import Path

locale.setlocale(locale.LC_ALL, "C")
DATES = [
    "2024-02-29T00:00:00",
    "2025-12-29T12:05:09",
    "2026-01-01T23:59:59",
    "2027-01-03T01:02:03",
    "2026-11-27T13:00:00",
    "2032-12-31T11:30:45",
    "1999-08-09T09:08:07",
]
FORMATS = [f"%{name}" for name in "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ%f"]
FORMATS += ["%-d", "%-m", "%-I", "%-H", "%-M", "%-j", "%-y", "%_d", "%_m", "%0e", "%^a", "%^B", "%#p", "%#b"]
FORMATS += ["%d %b %Y", "%Y-%m-%d", "%B %d, %Y", "%A, %-d %B %Y", "Today: %e. 100%%", "%", "%Q", "%Ey %Od", "no field"]

golden = {
    "dates": DATES,
    "formats": {form: [datetime.fromisoformat(date).strftime(form) for date in DATES] for form in FORMATS},
}
path = Path(__file__).parent / "golden" / "strftime.json"
path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
