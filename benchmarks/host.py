"""The process in which one system lives: python -m benchmarks.host ROOM PEER THREADS.

It reads one request a line and answers each with one line: `prepare` with a job, then `turn` and `outcome` as often as
wanted. Between requests it sleeps, blocked on its pipe, so that the others have the machine to themselves.
"""

import gc
import importlib
import os
import sys
from typing import Any, BinaryIO

import msgspec

from benchmarks.cell import TrainingJob
from benchmarks.peers import PEERS
from benchmarks.prediction import PredictionJob

JOBS = {"Training": TrainingJob, "Inference": PredictionJob}


def serve(room: str, peer: str, threads: int, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    system: Any = None
    for line in requests:
        request = msgspec.json.decode(line)
        try:
            if request["ask"] == "prepare":
                kind = getattr(importlib.import_module(PEERS[peer].module), room)
                system = kind(msgspec.convert(request["job"], JOBS[room]), threads)
                answer = {"versions": system.versions, "note": system.note}
            elif request["ask"] == "turn":
                gc.collect()
                answer = {"seconds": system.turn()}
            else:
                answer = {"outcome": system.outcome()}
            encoded = msgspec.json.encode(answer)
        except Exception as error:  # noqa: BLE001 - whatever a system fails with, the others go on
            first = str(error).strip().splitlines()
            reason = first[0] if first else "it gave no reason"
            encoded = msgspec.json.encode({"error": f"{type(error).__name__}: {reason}"})
        answers.write(encoded + b"\n")
        answers.flush()


def main() -> None:
    room, peer, threads = sys.argv[1:]
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        serve(room, peer, int(threads), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
