"""What a data sheet could do at best for a GPU that takes another one's kernel numbers.

Every family's law with the owner's numbers, on the table's device with its peak arithmetic and its memory
bandwidth each scaled by the factors that meet *its own rows* best: no data sheet can know them, so that the
medians that are left are no fault of a scale.

    python3 lending.py SWITCHYARD TABLES      # the folder of the device's tables, such as a100_sxm
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

FAMILIES = {
    "gemm": "gemm", "experts": "moe", "attention-decode": "attention_decode",
    "attention-prompt": "attention_prefill", "latent-decode": "mla_decode",
    "latent-prompt": "mla_prefill",
}
OWNER = "h100-sxm"
# An A100 SXM 80 GB; its power follows its peak, so that no scale changes what long kernels lose to it.
DEVICE = """sources: {{sheet: data sheet}}
devices:
  scaled:
    full-name: an A100 of another scale
    kind: gpu
    source: sheet
    compute: {{fp32: 19.5 TFLOPS, bf16: {peak} TFLOPS, int8: {int8} TOPS}}
    compute-units: 108
    memory: {{kind: hbm2e, capacity: 80 GB, bandwidth: {bandwidth} GB/s, cache: 40 MB}}
    scale-up: {{link: nvlink3, bandwidth: 300 GB/s}}
    host-link: {{link: pcie4-x16, bandwidth: 31.5 GB/s}}
    power: {{thermal-design: {power} W, idle: 60 W}}
    efficiency: {{like: h100-sxm}}
"""


def errors(program, table, family, peak, bandwidth, folder):
    catalogue = folder / "scaled.yaml"
    catalogue.write_text(
        DEVICE.format(
            peak=312 * peak, int8=624 * peak, power=400 * peak, bandwidth=2039 * bandwidth))
    answer = subprocess.run(
        [program, "validate", "kernels", str(table), "--device", "scaled", "--catalogue",
         str(catalogue), "--numbers-of", OWNER, "--json"],
        capture_output=True, text=True, check=True)
    groups = [group for group in json.loads(answer.stdout)["families"] if group["name"] == family]
    return groups[0]["errors"]["median"], groups[0]["errors"]["ninetieth"]


def main():
    program, tables = sys.argv[1], pathlib.Path(sys.argv[2])
    scales = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1]
    print("| family | data sheet, median / 90 % | best scales of peak, of bandwidth | median / 90 % |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for family, table in FAMILIES.items():
            found = {
                pair: errors(
                    program, tables / f"{table}.csv.xz", family, *pair, pathlib.Path(folder))
                for pair in itertools.product(scales, scales)
            }
            sheet, best = found[(1.0, 1.0)], min(found, key=found.get)
            print(
                f"| {family} | {sheet[0]:.1%} / {sheet[1]:.1%} | {best[0]:g}, {best[1]:g} "
                f"| {found[best][0]:.1%} / {found[best][1]:.1%} |", flush=True)


main()
