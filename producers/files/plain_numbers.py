"""
A number as it is written here, whatever script, marks and width it was written in.

Pure. Numbers are looked for in texts by rules about `0` to `9`, `.`, `,`, `-` and `E`; a spreadsheet in
Arabic writes `٨٫٥٣E+١٢`. So each rule is run over what `plain` makes of a text, and knows one alphabet.
"""

from __future__ import annotations

import unicodedata

_MARKS = {
    # Decimal marks. The normal form has made `.` and `,` of their full width, small and raised forms.
    **dict.fromkeys("\u00b7\u02d9\u066b\u22c5\u2396\u2e33\u3002", "."),
    **dict.fromkeys("\u060c\u201a\u3001\ufe10\ufe11", ","),
    # Signs, and the letter of an exponent where a keyboard had another that looks like it.
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u0395\u0415\u0435\u23e8", "E"),
    # What is not seen between digits.
    **dict.fromkeys("\u061c\u200b\u200e\u200f\u2060", ""),
}
_TABLE = str.maketrans(_MARKS)


def plain(text: str) -> str:
    """
    The text with the digits 0 to 9 and ASCII marks, where it has others; for judging, never for sending.

    >>> [plain(text) for text in ("8٫53E+12", "٨٫٥٣", "８．５３Ｅ＋１２", "−1", "x")]
    ['8.53E+12', '8.53', '8.53E+12', '-1', 'x']
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_TABLE)).translate(_TABLE)
    return "".join(str(unicodedata.decimal(char, char)) for char in text)
