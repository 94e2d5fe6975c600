#!/usr/bin/env bash
# The runs of a sweep, each as a job on a machine of its own: launch/sky/sweep.sh runs/lr [more arguments of sky]
#
# Plan it first: python -m launch.sweep plan runs/lr ... . What the jobs have made is in BUCKET, by the name of each run:
# fetch it into runs/lr (aws s3 sync s3://whale-jax-runs/lr runs/lr), and `python -m launch.sweep show runs/lr` tells all.
set -euo pipefail
sweep=${1:?the folder of a sweep}
shift
python -m launch.sweep flags "$sweep" | while IFS=$'\t' read -r name flags; do
  sky jobs launch --yes --detach-run launch/sky/train.yaml --name "$name" \
    --env RUN="$(basename "$sweep")/$name" --env FLAGS="$flags" "$@"
done
