# Of a batch script: runs a command by srun, and puts the job into the queue again where that may go on from what it has
# saved. again OPTIONS OF SRUN -- COMMAND

# A signal that ends bash would end the job before the program has saved; the program has handlers of its own.
trap '' TERM

# Around a task's program. What ends a task may signal this shell alone, which passes it on and waits. A program that found
# a mistake says so by a file: srun then ends the others, and tells of the signal that did.
task='"$@" &
pid=$!
trap "kill -TERM $pid" TERM
while wait "$pid"; code=$?; kill -0 "$pid" 2> /dev/null; do :; done
wait "$pid"
code=$?
((code != 2)) || : > "$0"
exit "$code"'

again() {
  local options=() mistake=$PWD/.mistake-$SLURM_JOB_ID
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  rm -f "$mistake"
  srun "${options[@]}" bash -c "$task" "$mistake" "$@"
  local code=$?
  if [[ -e $mistake ]]; then
    rm "$mistake"
    exit 2
  fi
  # 75: it was asked to end, and has saved. Above 128: a signal ended it, on one of the nodes perhaps.
  if ((code == 75 || code > 128)) && ((${SLURM_RESTART_COUNT:-0} < ${MAX_RESTARTS:-20})); then
    echo "exit code $code, restart $((${SLURM_RESTART_COUNT:-0} + 1)) of ${MAX_RESTARTS:-20}: into the queue again"
    scontrol requeue "$SLURM_JOB_ID" && sleep 60
  fi
  exit "$code"
}
