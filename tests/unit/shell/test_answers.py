"""Answers are cut out of what a shell writes, however it comes."""

import itertools
import random

import pytest

from remote_code.shell.answers import Answer, Answers

ENDS = ["0123456789abcdef", "fedcba9876543210", "00000000ffffffff"]
ANSWERS = [
    Answer(ENDS[0], 0, b"one\n", b""),
    Answer(ENDS[1], 137, b"\0no newline", b"said"),
    Answer(ENDS[2], 1, b"", b"\n"),
]

NAMES = ("stdout", "stderr")


def written(answer: Answer) -> tuple[bytes, bytes]:
    end = answer.end.encode()
    return answer.stdout + b"%b %d\n" % (end, answer.exit_status), answer.stderr + end + b"\n"


@pytest.mark.parametrize("seed", range(50))
def test_answers_come_whole_and_in_order_wherever_the_streams_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    streams = {name: b"".join(written(each)[index] for each in ANSWERS) for index, name in enumerate(NAMES)}
    answers = Answers()
    answers.expect(ENDS[:1])
    answers.expect(ENDS[1:])
    found = []
    while any(streams.values()):
        name = chance.choice([name for name in streams if streams[name]])
        size = chance.randint(1, 30)
        answers.add(name, streams[name][:size])
        streams[name] = streams[name][size:]
        found += list(itertools.takewhile(lambda answer: answer is not None, iter(answers.next, None)))
    assert found == ANSWERS
    assert not answers.is_awaiting


def test_an_answer_may_hold_a_mark_that_is_not_awaited() -> None:
    answers = Answers()
    answers.expect([ENDS[0]])
    answers.add("stdout", f"{ENDS[1]} 0\n{ENDS[0]} 3\n".encode())
    assert answers.next() is None
    answers.add("stderr", f"{ENDS[0]}\n".encode())
    assert answers.next() == Answer(ENDS[0], 3, f"{ENDS[1]} 0\n".encode(), b"")
    assert answers.next() is None
