"""PHOLD on SimPy, with callbacks, which is faster than with processes.

phold_simpy.py EVENTS    prints events/s, checksum
"""

import math
import sys
import time

import simpy

PROCESSES, MESSAGES, LOOKAHEAD, MASK = 1024, 16, 100_000, (1 << 64) - 1


def main(events):
    env = simpy.Environment()
    states = [(p + 1) * 0x9E3779B97F4A7C15 & MASK for p in range(PROCESSES)]
    checksum = 0

    def exponential(process):
        state = states[process]
        state ^= state << 13 & MASK
        state ^= state >> 7
        state ^= state << 17 & MASK
        states[process] = state
        return int(-math.log(((state >> 11) + 1) * 2.0**-53) * 1e6)

    def handle(event):
        nonlocal checksum
        process = event._value
        checksum = (checksum * 31 + (env.now ^ process)) & MASK
        delay = LOOKAHEAD + exponential(process)
        env.timeout(delay, states[process] % PROCESSES).callbacks.append(handle)

    for process in range(PROCESSES):
        for _ in range(MESSAGES):
            env.timeout(LOOKAHEAD + exponential(process), process).callbacks.append(handle)
    for _ in range(4 * PROCESSES * MESSAGES):
        env.step()
    start = time.process_time()
    for _ in range(events):
        env.step()
    print(events / (time.process_time() - start), checksum)


main(int(sys.argv[1]))
