"""An exported MPS file given to MIP solvers, and what they know of it over time.

mip_solvers.py SECONDS FILE.mps [highs] [cp-sat]    prints CSV: solver, seconds, incumbent, bound

Needs highspy for HiGHS and ortools for CP-SAT, from PyPI; one thread each. CP-SAT takes whole
numbers only: its objective and rows are scaled by ortools, which is told to keep nine digits, so its
bound is good to about that. An empty field is a value that is not known yet.
"""

import subprocess
import sys
import time


class Rows:
    """Prints a row where either number has changed."""

    def __init__(self, solver):
        self.solver, self.start, self.last = solver, time.monotonic(), None

    def add(self, incumbent, bound):
        fields = tuple("" if v is None or abs(v) >= 1e30 else f"{v:.6f}" for v in (incumbent, bound))
        if fields != self.last:
            self.last = fields
            seconds = time.monotonic() - self.start
            print(f"{self.solver},{seconds:.3f},{fields[0]},{fields[1]}", flush=True)


def highs(file, seconds):
    import highspy

    solver = highspy.Highs()
    for option, value in {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": 1,
        "time_limit": float(seconds),
        "mip_rel_gap": 0.0,
    }.items():
        solver.setOptionValue(option, value)
    rows = Rows("highs")
    solver.readModel(file)

    def note(event):
        rows.add(event.data_out.mip_primal_bound, event.data_out.mip_dual_bound)

    solver.cbMipLogging += note
    solver.cbMipImprovingSolution += note
    solver.run()
    info = solver.getInfo()
    rows.add(info.objective_function_value, info.mip_dual_bound)


def cp_sat(file, seconds):
    rows = Rows("cp-sat")
    command = [sys.executable, "-u", __file__, str(seconds), file, "--alone", "cp-sat-log"]
    incumbent = bound = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as solver:
        for line in solver.stdout:
            # "#12 4.56s best:789 next:[1,788] ..." and "#Bound 4.56s best:789 next:[1,788] ..."
            if not line.startswith("#") or "best:" not in line:
                continue
            for word in line.split():
                try:
                    if word.startswith("best:"):
                        incumbent = float(word[5:])
                    elif word.startswith("next:[") and not word.endswith("[]"):
                        bound = float(word[6:].split(",")[0])
                except ValueError:
                    continue
            rows.add(incumbent, bound)


def cp_sat_log(file, seconds):
    from ortools.linear_solver.python import model_builder

    model = model_builder.ModelBuilder()
    if not model.import_from_mps_file(file):
        sys.exit(f"ortools cannot read {file}")
    solver = model_builder.ModelSolver("cp_sat")
    solver.set_time_limit_in_seconds(seconds)
    solver.enable_output(True)
    solver.set_solver_specific_parameters(
        "num_workers:1 random_seed:1 log_search_progress:true log_to_stdout:true "
        "mip_wanted_precision:1e-9 mip_max_activity_exponent:62"
    )
    solver.solve(model)


SOLVERS = {"highs": highs, "cp-sat": cp_sat}


def main(seconds, file, *names):
    print("solver,seconds,incumbent,bound", flush=True)
    for name in names or SOLVERS:
        # ortools brings a HiGHS of its own, which highspy's cannot share a process with.
        subprocess.run([sys.executable, __file__, seconds, file, "--alone", name], check=True)


if __name__ == "__main__":
    if sys.argv[3:4] == ["--alone"]:
        alone = {**SOLVERS, "cp-sat-log": cp_sat_log}
        alone[sys.argv[4]](sys.argv[2], float(sys.argv[1]))
        sys.exit()
    if len(sys.argv) < 3 or not set(sys.argv[3:]) <= set(SOLVERS):
        sys.exit(__doc__)
    main(*sys.argv[1:])
