"""Work that forked processes share; what they find comes through pipes."""

import itertools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import cli

ANSWER, FAULT, END = b"a", b"f", b"e"  # how a message begins
FAULTS = {kind.__name__: kind for kind in (cli.UserError, cli.PassingError, OSError, MemoryError)}

Work = Callable[[], Iterator[bytes]]


def answers_in_turn(works: list[Work]) -> Iterator[bytes]:
    """Start each work in a process of its own; yield the first answer of each, then the second of each, and so on.

    Ends with the work whose turn it is.

    Raises:
        cli.UserError, OSError, MemoryError: a work did, in its turn.
        DeathError: a process died.
    """
    return _received_in_turn([_started(work) for work in works])


def _started(work: Work) -> tuple[BaseProcess, Connection]:
    context = multiprocessing.get_context("fork")
    answers, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_answers, args=(work, sender), daemon=True)
    process.start()
    sender.close()
    return process, answers


def _received_in_turn(running: list[tuple[BaseProcess, Connection]]) -> Iterator[bytes]:
    try:
        for process, answers in itertools.cycle(running):
            message = _received(process, answers)
            if message[:1] == END:
                return
            yield message[1:]
    finally:
        for process, _ in running:
            process.terminate()
            process.join()


class DeathError(Exception):
    """A process died without a word; `signal` is what ended it, if one did."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.signal = max(-exit_code, 0)


def _send_answers(work: Work, sender: Connection) -> None:
    try:
        for answer in work():
            sender.send_bytes(ANSWER + answer)
        sender.send_bytes(END)
    except OSError as error:
        _send_fault(sender, OSError, error.errno, error.strerror, error.filename)
    except cli.UserError as error:
        _send_fault(sender, cli.PassingError if cli.may_pass(error) else cli.UserError, str(error))
    except MemoryError as error:
        _send_fault(sender, MemoryError, str(error))


def _send_fault(sender: Connection, kind: type, *words: object) -> None:
    sender.send_bytes(FAULT + json.dumps([kind.__name__, words], default=str).encode())


def _received(process: BaseProcess, answers: Connection) -> bytes:
    try:
        message = answers.recv_bytes()
    except EOFError:
        process.join()
        raise DeathError(process.exitcode) from None
    if message[:1] == FAULT:
        kind, words = json.loads(message[1:])
        raise FAULTS[kind](*words)
    return message
