# For a batch script: `again OPTIONS OF SRUN -- COMMAND` runs a command by srun, and puts the job back into the queue where
# the command can go on from its checkpoint.

# A signal that ends bash would end the job before the program has saved; the program has handlers of its own.
trap '' TERM

# A shell around the program of each task. A signal may reach this shell alone, so it passes the signal on and waits. A
# program that ends with 2, a mistake of its user, leaves a file: srun then ends the other tasks by a signal, and its own
# exit code tells of that signal only.
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
  if [[ ${SLURM_CPUS_PER_TASK:-} ]]; then
    export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK # from Slurm 22.05 on, srun does not take it from sbatch
  fi
  srun "${options[@]}" bash -c "$task" "$mistake" "$@"
  local code=$?
  if [[ -e $mistake ]]; then
    rm "$mistake"
    exit 2
  fi
  # 75: the program got a signal, and has saved. Above 128: a signal ended it, perhaps on one of the nodes only.
  if ((code == 75 || code > 128)) && ((${SLURM_RESTART_COUNT:-0} < ${MAX_RESTARTS:-20})); then
    echo "exit code $code, restart $((${SLURM_RESTART_COUNT:-0} + 1)) of ${MAX_RESTARTS:-20}: back into the queue"
    scontrol requeue "$SLURM_JOB_ID" && sleep 60
  fi
  exit "$code"
}
