"""The cluster's profile beside the rules: what asks for no time would run for ever."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
# Targets have no job of their own.
TARGETS = {"cohort", "participants"}


def test_every_rule_asks_for_a_time():
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
    asked = set(profile["set-resources"])
    rules = {}
    for path in sorted((ROOT / "rules").glob("*.smk")):
        parts = re.split(r"^ *rule (\w+):\n", path.read_text(), flags=re.MULTILINE)
        rules |= dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(rules) > 20
    named = {name for name in rules if name in asked or "runtime=" in rules[name]}
    assert set(rules) - named - TARGETS == set()
    assert asked <= set(rules)
    assert set(profile["groups"]) <= set(rules)
