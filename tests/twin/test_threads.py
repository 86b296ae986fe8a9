"""The kernels may be called from several threads at once."""

import concurrent.futures

from tests.twin.conftest import Kernel


def test_threads_do_not_disturb_each_other(both: tuple[Kernel, Kernel]) -> None:
    compiled, _ = both
    contents = [
        "\n".join(f"{number}: line {line * number % 97}" for line in range(2000)) + f"\n  end {number}\nx"
        for number in range(8)
    ]

    def edit(number: int) -> str:
        return compiled.replace(contents[number], f"end {number}\nx ", f"done {number}")

    expected = [content.removesuffix(f"  end {n}\nx") + f"done {n}" for n, content in enumerate(contents)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(edit, [*range(8)] * 4)) == expected * 4
