"""Process of one contender: ``python contender.py TASK INDEX AMOUNT PROBLEM RESULTS``.

Prints its cost and saves what it computed.
"""

import json
import multiprocessing
import sys

import numpy as np
import problems
from measuring import Program, measure
from tasks import TASKS

#: Voxels and relabellings of a first, small problem, with which all is loaded and compiled.
_WARM_UP = (300, 3)


def _warm_up(contender, problem):
    """Run the contender on a small problem."""
    n_voxels, amount = _WARM_UP
    contender.prepare(problem.first(n_voxels), amount)()


def main():
    """Run the contender."""
    task, index, amount, problem_file, results_file = sys.argv[1:]
    contender = TASKS[task].contenders[int(index)]
    problem = problems.load(problem_file)
    if contender.first_use:
        problem = problem.first(_WARM_UP[0])
    work = contender.prepare(problem, int(amount))
    if not (contender.first_use or isinstance(work, Program)):
        # Compiling takes memory: if there is something to compile, it is in another process.
        compiling = multiprocessing.get_context('fork').Process(
            target=_warm_up, args=(contender, problem)
        )
        compiling.start()
        compiling.join()
        _warm_up(contender, problem)
    results, cost = measure(work)
    np.savez(results_file, **results)
    print(json.dumps(cost))


if __name__ == '__main__':
    main()
