"""
Words that say that there is nothing, nothing yet, or what stands above, in English, Spanish and Portuguese.

Pure. Of the words of a text only letters and digits count, without accents and case: `(Sin asignar)`,
`SIN_ASIGNAR` and `sin-asignar` are one. Abbreviations count only with their points or slashes, because
`NA` and `SN` are somebody's initials.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 40

_ONE_WORD = """
null none nil nan nat undefined unset void
blank empty missing unknown pending unassigned unavailable undetermined nothing tbd tba tbc
nulo nula vacio vacia nada ninguno ninguna pendiente pendientes desconocido desconocida faltante
indefinido indefinida indeterminado
vazio vazia nenhum nenhuma pendente pendentes desconhecido desconhecida
idem ditto falta faltan faltando aguardando esperando
"""
_WORDS = frozenset(_ONE_WORD.split())

_MARKED = "na nd nc ne ni sn sd si sc tbd tba tbc pd"
_INITIALS = frozenset(_MARKED.split())
"""not available, no disponible, no consta, no existe, no informado, sin número, sin datos, sin id, …"""

_SOME_WORDS = """
not available, not applicable, not assigned, not set, not defined, not known, not given,
not found, not yet, no id, no bot, no data, no value, no number, to be defined, to be assigned,
to be confirmed, to be determined, to be announced, to be done,
no aplica, no se aplica, no disponible, no asignado, no asignada, no definido, no definida,
no informado, no informada, no existe, no tiene, no hay, no consta, no registra, no encontrado,
sin asignar, sin definir, sin confirmar, sin id, sin bot, sin numero, sin nro, sin num, sin no,
s no, s nro, s num, sin dato, sin datos, sin valor, sin codigo, sin informacion, sin info,
por asignar, por definir, por confirmar, por determinar, a definir, a confirmar, a determinar,
pendiente de asignar, pendiente por asignar, pendiente de definir, pendiente por definir,
en proceso, en tramite, en blanco, falta bot, falta id,
same as above, as above, igual que arriba, igual que el anterior, igual al anterior, el mismo, lo mismo,
el mismo de arriba, o mesmo, igual ao anterior, igual acima,
nao aplica, nao se aplica, nao aplicavel, nao disponivel, nao atribuido, nao definido,
nao informado, nao existe, nao tem, nao ha, nao consta, nao encontrado, sem id, sem bot,
sem numero, sem dado, sem dados, sem valor, sem codigo, sem informacao, a atribuir, a designar,
em processo, em branco, falta o bot, falta o id
"""
_PHRASES = frozenset(" ".join(phrase.split()) for phrase in _SOME_WORDS.split(","))
_JOINED = frozenset(phrase.replace(" ", "") for phrase in _PHRASES if len(phrase) > 5)

_RUNS = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[\W_]*\d+\W*$")


def stands_for_nothing(text: str, *, numbered: bool = False) -> bool:
    """
    Whether a text that has a letter says nothing but that there is nothing.

    Args:
        numbered: whether a number behind the words changes nothing, as in `TBD-2`.

    >>> [stands_for_nothing(text) for text in ("n/a.", "S/N", "Por definir", "(vacío)", "NA", "Nada Más")]
    [True, True, True, True, False, False]
    """
    if len(text) > _LONGEST:
        return False
    if numbered:
        text = _NUMBER.sub("", text)
    runs = _RUNS.findall(_folded(text))
    if len(runs) == 1:
        return runs[0] in _WORDS or runs[0] in _JOINED or text in ("\\N", "\\n")
    if " ".join(runs) in _PHRASES:
        return True
    return ("/" in text or "." in text) and all(len(run) == 1 for run in runs) and "".join(runs) in _INITIALS


def _folded(text: str) -> str:
    """In lower case, without accents."""
    if text.isascii():
        return text.casefold()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))
