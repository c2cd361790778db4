"""What MIP solvers, and `switchyard place` itself, know of a placement problem over time.

mip_solvers.py SECONDS FILE.mps [highs] [cp-sat] [cbc]   an exported program, given to solvers
mip_solvers.py ours SWITCHYARD SCENARIO.yaml [exact]     the same problem, given to place

prints CSV: problem, form, solver, seconds, incumbent, bound. FILE is called PROBLEM-FORM.mps. An
empty field is a value that is not known (yet). Costs are milliseconds of an iteration, by the unit
that the file's first line says. Seconds are processor time of the solver's process, from when it
begins to read the file (Linux's /proc says it; elsewhere wall time), so that a busy machine does
not stretch them; at SECONDS it is killed. Place's are those of its whole process.

Needs highspy for HiGHS and ortools for CP-SAT, from PyPI, and an executable `cbc`; one thread each.
CP-SAT takes whole numbers only: its objective and rows are scaled by ortools, which is told to keep
nine digits, so its bound is good to about that.
"""

import json
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import time

COLUMNS = "problem,form,solver,seconds,incumbent,bound"


class Rows:
    """Prints a row where either number has changed."""

    def __init__(self, problem, form, solver, unit):
        self.names, self.unit, self.last = f"{problem},{form},{solver}", unit, None

    def add(self, seconds, incumbent, bound):
        fields = tuple(
            "" if v is None or abs(v) >= 1e30 else f"{v * self.unit:.6f}"
            for v in (incumbent, bound)
        )
        if fields != self.last:
            self.last = fields
            self.end(seconds)

    def end(self, seconds):
        """The last row again, with the time at which the solver ended or was stopped."""
        print(f"{self.names},{seconds:.2f},{','.join(self.last or ('', ''))}", flush=True)


# HiGHS and CP-SAT run in a process of their own, which writes what it knows.


def highs(file):
    import highspy

    print("ready", flush=True)
    solver = highspy.Highs()
    for option, value in {
        # Without output there is nothing to be told of but better placements.
        "output_flag": True,
        "log_to_console": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": 1,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 1e-9,
        "mip_min_logging_interval": 0.5,
    }.items():
        solver.setOptionValue(option, value)

    def say(incumbent, bound):
        print("known", incumbent, bound, flush=True)

    def note(event):
        say(event.data_out.mip_primal_bound, event.data_out.mip_dual_bound)

    solver.readModel(file)
    solver.cbMipLogging += note
    solver.cbMipImprovingSolution += note
    solver.run()
    info = solver.getInfo()
    say(info.objective_function_value, info.mip_dual_bound)


def cp_sat(file):
    from ortools.linear_solver.python import model_builder

    print("ready", flush=True)
    model = model_builder.ModelBuilder()
    if not model.import_from_mps_file(file):
        sys.exit(f"ortools cannot read {file}")
    solver = model_builder.ModelSolver("cp_sat")
    solver.enable_output(True)
    solver.set_solver_specific_parameters(
        "num_workers:1 random_seed:1 log_search_progress:true log_to_stdout:true "
        "mip_wanted_precision:1e-9 mip_max_activity_exponent:62"
    )
    solver.solve(model)


def cbc_command(file):
    # Its output would come in blocks where it is not a terminal's.
    lines = [shutil.which("stdbuf"), "-oL"] if shutil.which("stdbuf") else []
    options = "-threads 1 -randomSeed 1 -randomCbcSeed 1 -ratioGap 0 -allowableGap 1e-9"
    return [*lines, "cbc", file, *options.split(), "-solve", "-quit"]


def alone(name):
    return lambda file: [sys.executable, "-u", __file__, "alone", name, file]


# What a line of output says: (incumbent, bound), None where it does not say.


def of_highs(line):
    words = line.split()
    return (float(words[1]), float(words[2])) if words[:1] == ["known"] else (None, None)


def of_cp_sat(line):
    # "#12 4.56s best:789 next:[1,788] ..." and "#Bound 4.56s best:789 next:[1,788] ...", "#Done ..."
    if not line.startswith("#"):
        # The summary at the end.
        found = re.match(r"(objective|best_bound): (\S+)$", line)
        if not found or found[2] == "NA":
            return None, None
        return (float(found[2]), None) if found[1] == "objective" else (None, float(found[2]))
    best = re.search(r" best:([-+.\de]+)", line)
    bound = re.search(r" next:\[([-+.\de]+)[,\]]", line)
    return float(best[1]) if best else None, float(bound[1]) if bound else None


def of_cbc(line):
    patterns = [
        (r"Integer solution of ([-+.\de]+)", r"Continuous objective value is ([-+.\de]+)"),
        (r", ([-+.\de]+) best solution", r"best possible ([-+.\de]+)"),
        (r"best objective ([-+.\de]+)", r"to ([-+.\de]+) in \d+ passes"),
        (r"^Objective value: +([-+.\de]+)", r"^Lower bound: +([-+.\de]+)"),
    ]
    found = [[re.search(p, line) for p in pair] for pair in patterns]
    values = [[float(m[1].rstrip(".")) for m in side if m] for side in zip(*found)]
    if line.startswith("Cbc0001I"):  # completed: what is best is proved
        values[1] = values[0]
    return tuple(side[0] if side else None for side in values)


SOLVERS = {
    "highs": (alone("highs"), of_highs),
    "cp-sat": (alone("cp-sat"), of_cp_sat),
    "cbc": (cbc_command, of_cbc),
}


def clock(process):
    """The seconds of a running process: of its processors, or on the wall."""
    try:
        with open(f"/proc/{process.pid}/stat") as file:
            ticks = file.read().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return time.monotonic()


def watch(limit, file, name):
    with open(file) as text:
        unit = float(text.readline().split("is ")[1].split()[0]) * 1e3
    problem, form = os.path.splitext(os.path.basename(file))[0].rsplit("-", 1)
    rows = Rows(problem, form, name, unit)
    command, read = SOLVERS[name]
    incumbent = bound = None
    pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with subprocess.Popen(command(file), **pipe) as process:
        start = last = clock(process)
        rest, output = b"", process.stdout.fileno()
        while True:
            if select.select([output], [], [], 0.05)[0]:
                piece = os.read(output, 1 << 16)
                if not piece:
                    break
                *lines, rest = (rest + piece).split(b"\n")
            else:
                lines = []
            last = max(last, clock(process))
            for line in lines:
                line = line.decode(errors="replace").strip()
                if line == "ready":
                    start = last
                best, proved = read(line)
                # A solver's last words may be a presolved problem's; neither number gets worse.
                if best is not None and (incumbent is None or best < incumbent):
                    incumbent = best
                if proved is not None and (bound is None or proved > bound):
                    bound = proved
                rows.add(last - start, incumbent, bound)
            if last - start >= limit:
                process.kill()
                break
    rows.end(last - start)


# Ours.


def place(switchyard, scenario, *options):
    """What place finds, and its process's seconds, those of reading the trace included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = "--traffic transition --windows 1 --threads 1 --json".split()
    command = [switchyard, "place", scenario, *asked, *options]
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    bound = report.get("bound") or {}
    return seconds, report["found"]["profiled"]["costSeconds"], bound.get("seconds")


def ours(switchyard, scenario, *methods):
    problem = os.path.splitext(os.path.basename(scenario))[0]

    def rows(name):
        return Rows(problem, "", name, 1e3)

    if "exact" in methods:
        seconds, cost, bound = place(switchyard, scenario, "--method", "exact")
        rows("exact").add(seconds, cost, bound)
    # The bound itself takes what this takes longer than the search of 0s.
    seconds, _, bound = place(switchyard, scenario, "--time", "0s")
    rows("bound").add(seconds, None, bound)
    for limit in ("0s", "0.5s", "1s", "2s", "5s", "10s", "30s", "60s"):
        seconds, cost, _ = place(switchyard, scenario, "--time", limit, "--no-bound")
        rows("search").add(seconds, cost, None)


def main(seconds, file, *names):
    print(COLUMNS, flush=True)
    if seconds == "ours":
        ours(file, *names)
        return
    for name in names or SOLVERS:
        watch(float(seconds), file, name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["alone"]:
        {"highs": highs, "cp-sat": cp_sat}[sys.argv[2]](sys.argv[3])
        # What is left to take down may wait for threads.
        os._exit(0)
    names = sys.argv[3:]
    isOurs = sys.argv[1:2] == ["ours"]
    if len(sys.argv) < 3 + isOurs or not (isOurs or set(names) <= set(SOLVERS)):
        sys.exit(__doc__)
    main(*sys.argv[1:])
