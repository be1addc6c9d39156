"""The formulas of the feature dictionary, read as they stand there and evaluated.

Multiplication is a space, a sum reaches as far as the product behind it, ``|x|`` is a magnitude:
``sum_ij (i - j)^2 p(i,j) / V``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

TOKEN = re.compile(r"sum_[ijk]+|[A-Za-z][A-Za-z0-9]*|\d+|[-+/^()\[\]|,]")
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    # What has no probability adds nothing to an entropy.
    "log2": lambda x: math.log2(x) if x > 0 else 0.0,
}
Scope = dict[str, float]


def formula_of(definition: str) -> str:
    """The formula in a definition: what follows its colon, up to its explanation."""
    text = re.split(r": (?:mu = )?(?=[-\[(1]|sum_|sqrt|[A-Z] /|m\d)", definition, maxsplit=1)[-1]
    return re.split(r"[;.]|, |(?<=\)) with | with | over grey", _inside(text))[0].replace("\0", ",")


def _inside(text: str) -> str:
    """Commas between brackets are no end of the formula."""
    return re.sub(r"(?<=\([ij]),(?=[ij]\))", "\0", text)


class Formula:
    """A parsed formula; call it with the values of its names.

    Raises
    ------
    ValueError
        The text is no formula to its end.
    """

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        if "".join(self.tokens) != text.replace(" ", ""):
            raise ValueError(text)
        self.at, self.bars = 0, 0
        self.body = self._sum_of_terms()
        if self.at != len(self.tokens):
            raise ValueError(f"{text}: rest {self.tokens[self.at :]}")

    def __call__(self, names: Mapping, ranges: Mapping[str, range]) -> float:
        self.names, self.ranges = names, ranges
        return self.body({})

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if wanted and token != wanted:
            raise ValueError(f"{wanted} expected, found {token!r}")
        self.at += 1
        return token

    def _sum_of_terms(self) -> Callable[[Scope], float]:
        negative = self._peek() == "-" and bool(self._take())
        first = self._product()
        terms = [(-1 if negative else 1, first)]
        while self._peek() in ("+", "-"):
            sign = -1 if self._take() == "-" else 1
            terms.append((sign, self._product()))
        return lambda scope: sum(sign * term(scope) for sign, term in terms)

    def _product(self) -> Callable[[Scope], float]:
        factors = [(False, self._power())]
        while True:
            token = self._peek()
            if token == "/":
                self._take()
                factors.append((True, self._power()))
            elif token and token not in "+-),]" and not (token == "|" and self.bars):
                factors.append((False, self._power()))
            else:
                break

        def value(scope: Scope) -> float:
            result = 1.0
            for divide, factor in factors:
                # 0 / 0 is a pair that does not occur.
                number = factor(scope)
                result = result / number if divide and (result or number) else result * number
            return result

        return value

    def _power(self) -> Callable[[Scope], float]:
        base = self._base()
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._base()
        return lambda scope: base(scope) ** exponent(scope)

    def _bracket(self, close: str) -> Callable[[Scope], float]:
        bars, self.bars = self.bars, int(close == "|")
        body = self._sum_of_terms()
        self.bars = bars
        self._take(close)
        return body

    def _base(self) -> Callable[[Scope], float]:
        token = self._take()
        if token in ("(", "["):
            return self._bracket({"(": ")", "[": "]"}[token])
        if token == "|":
            body = self._bracket("|")
            return lambda scope: abs(body(scope))
        if token.startswith("sum_"):
            return self._sum(token.removeprefix("sum_"))
        if token in FUNCTIONS:
            inner, function = self._power(), FUNCTIONS[token]
            return lambda scope: function(inner(scope))
        if token.isdigit():
            return lambda scope: float(token)
        if self._peek() == "(" and callable_name(token):
            return self._call(token)
        if not token[:1].isalpha():
            raise ValueError(f"unexpected {token!r}")
        return lambda scope: scope[token] if token in scope else float(self.names[token])

    def _sum(self, indices: str) -> Callable[[Scope], float]:
        term = self._product()

        def value(scope: Scope) -> float:
            places: list[Scope] = [dict(scope)]
            for index in indices:
                places = [{**p, index: n} for p in places for n in self.ranges[index]]
            return math.fsum(term(place) for place in places)

        return value

    def _call(self, name: str) -> Callable[[Scope], float]:
        self._take("(")
        indices = [self._take()]
        while self._peek() == ",":
            self._take()
            indices.append(self._take())
        self._take(")")
        return lambda scope: float(self.names[name][tuple(int(scope[i]) for i in indices)])


def callable_name(token: str) -> bool:
    """Names of matrices and vectors, which are followed by their indices."""
    return token in {"p", "px", "pd", "ps", "r", "z", "d", "n", "s", "q"}
