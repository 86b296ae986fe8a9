"""The figures of the proofs: how much was tried and what came of it, printed together at the end of a run."""

from dataclasses import dataclass, field


@dataclass
class Figures:
    """Collects what tests tell; a test that fails tells nothing, and is named as failed instead."""

    told: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def tell(self, what: str, count: int, outcome: str) -> None:
        """Note that `count` of `what` were tried (for example "cut points") and what came of them."""
        self.told.setdefault(what, []).append((count, outcome))

    def lines(self) -> list[str]:
        """Return one line for each thing that was tried, with its total, and one for each test that tried it."""
        lines = []
        for what, parts in self.told.items():
            lines.append(f"{sum(count for count, _ in parts):,} {what}")
            lines += [f"    {count:,}: {outcome}" for count, outcome in parts]
        return lines
