"""Closed forms against simulation for MoE-Lens' 24 cells.

moe_lens.py SWITCHYARD    prints a Markdown table; run it from the repository's root

The cells are those of the first figure of scenarios/papers/moe-lens/expected.yaml. The closed form is stage 1 (generated
tokens a second), the bound that of `predict`; the simulation is `run`.
"""

import json
import re
import subprocess
import sys

FOLDER = "scenarios/papers/moe-lens/"
CELL = re.compile(r"\{scenario: (\S+\.yaml), set: \[([^\]]*)\]\}, \{scenario: \S+-in-phases")


def answer(program, verb, scenario, settings):
    words = [program, verb, FOLDER + scenario, "--json"]
    for setting in settings:
        words += ["--set", setting]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main():
    first = open(FOLDER + "expected.yaml").read().split("  - name:")[1]
    print("| | KV cache, output | simulated | stage 1 | off by | bound | reached |")
    print("|---|---|---|---|---|---|---|")
    errors = []
    for scenario, settings in CELL.findall(first):
        settings = [setting.strip().strip('"') for setting in settings.split(",")]
        run = answer(sys.argv[1], "run", scenario, settings)
        predicted = answer(sys.argv[1], "predict", scenario, settings)
        simulated = run["tokens_per_second"]
        closed = predicted["streamed"]["firstStageGeneratedPerSecond"]
        bound = predicted["boundTokensPerSecond"]
        errors.append(abs(closed / simulated - 1))
        values = dict(setting.split("=") for setting in settings)
        what = values["policies.execution.kv-cache"] + ", " + values["workload.output"].split()[0]
        print(
            f"| {scenario[:-5]} | {what} | {simulated:.1f} | {closed:.1f} | {closed / simulated - 1:+.1%} "
            f"| {bound:.1f} | {simulated / bound:.1%} |"
        )
    print(f"\nmean {sum(errors) / len(errors):.1%}, most {max(errors):.1%}")


main()
