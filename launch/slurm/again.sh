# Of a batch script: runs a command, and puts the job into the queue again where that may go on from what it has saved.

# A signal that ends bash would end the job before the program has saved; the program has handlers of its own.
trap '' TERM

again() {
  "$@"
  local code=$?
  # 75: it was asked to end, and has saved. Above 128: a signal ended it, on one of the nodes perhaps.
  if ((code == 75 || code > 128)) && ((${SLURM_RESTART_COUNT:-0} < ${MAX_RESTARTS:-20})); then
    echo "exit code $code, restart $((${SLURM_RESTART_COUNT:-0} + 1)) of ${MAX_RESTARTS:-20}: into the queue again"
    scontrol requeue "$SLURM_JOB_ID" && sleep 60
  fi
  exit "$code"
}
