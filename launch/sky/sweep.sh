#!/usr/bin/env bash
# The runs of a sweep, each as a job on a machine of its own: launch/sky/sweep.sh runs/lr [further arguments of sky]
#
# Plan it first: python -m launch.sweep plan runs/lr ... . The folders of the runs are in BUCKET, by the name of each run.
# Fetch them (aws s3 sync s3://whale-jax-runs/lr runs/lr); `python -m launch.sweep show runs/lr` then compares the runs.
set -euo pipefail
sweep=${1:?the folder of a sweep}
shift
python -m launch.sweep flags "$sweep" | while IFS=$'\t' read -r name flags; do
  # SkyPilot takes a letter first, no other signs than these, not two of them together, and none at the end.
  job=run-$(tr -cs 'A-Za-z0-9' - <<< "$name")
  job=${job%-}
  sky jobs launch --yes --detach-run launch/sky/train.yaml --name "$job" \
    --env RUN="$(basename "$sweep")/$name" --env FLAGS="$flags" "$@"
done
