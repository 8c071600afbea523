"""Measure a dry run beside one of a plain Snakefile with as many jobs; prints a table as Markdown.

Both are whole processes, in turn, several times; the ratio of their medians is what counts. The plain workflow has the
same number of jobs, each with one input and one output, and neither resources nor a message: Snakemake's own cost. The
configurations are the published one, and 50 models with 64 shards. Nothing is made.

Example:
    python benchmarks/bench_planning.py --repeats 5
"""

import argparse
import copy
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measuring import MB, in_turn, machine, measure, script

ROOT = Path(__file__).resolve().parents[1]
MODELS, SHARDS = 50, 64
JOBS = re.compile(r"(\d+) jobs")
PLAIN = """
rule all:
    input: expand("end/{{number}}", number=range({jobs} // 2))
rule first:
    output: "begin/{{number}}"
    shell: "touch {{output}}"
rule second:
    input: "begin/{{number}}"
    output: "end/{{number}}"
    shell: "touch {{output}}"
"""


def many_models() -> dict:
    """The published models again and again."""
    published = yaml.safe_load((ROOT / "config.yaml").read_text())["models"]
    names = list(published)
    models = {f"M{number + 1:02d}": copy.deepcopy(published[names[number % len(names)]]) for number in range(MODELS)}
    return {"models": models, "prediction": {"shards": SHARDS}}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        size = ["--train-products", "100", "--test-products", "50", "--seed", "1"]
        subprocess.run(script("generate_catalog", *size, "--output-folder", here), check=True, capture_output=True)
        (here / "many.yaml").write_text(yaml.safe_dump(many_models()))
        print(f"{machine(here)}\n")
        print("| configuration | jobs | dry run, s | a plain Snakefile's, s | ratio | peak, MB |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, overlay in {"published": [], f"{MODELS} models, {SHARDS} shards": [here / "many.yaml"]}.items():
            snakemake = [sys.executable, "-m", "snakemake", "--dry-run", "--directory"]
            files = ["--configfile", *map(str, overlay)] if overlay else []
            command = [*snakemake, ROOT, "--snakefile", ROOT / "Snakefile", *files]
            command += ["--config", f"catalog={here}", f"results={here}/results"]
            command = list(map(str, command))
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            jobs = int(JOBS.search(told.splitlines()[-1])[1])
            (here / "Snakefile").write_text(PLAIN.format(jobs=jobs))
            plain = [*map(str, snakemake), folder, "--snakefile", str(here / "Snakefile"), "--quiet", "all"]
            measured = in_turn(args.repeats, own=lambda: measure(command), plain=lambda: measure(plain))  # noqa: B023
            (own, peak, _), (floor, *_) = measured["own"], measured["plain"]
            print(f"| {name} | {jobs:,} | {own:.1f} | {floor:.1f} | {own / floor:.1f} | {peak / MB:.0f} |")


if __name__ == "__main__":
    main()
