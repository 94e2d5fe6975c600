#!/usr/bin/env bash
# A Slurm cluster of two nodes on one Debian machine, to try launch/slurm on before a real one. Runs as root, without
# systemd.
#
#   launch/slurm/dev_cluster.sh install      Debian's slurm-wlm and munge
#   launch/slurm/dev_cluster.sh start [DIR]  prints the line that a shell needs to find it: export SLURM_CONF=...
#   launch/slurm/dev_cluster.sh stop [DIR]
#
# The partition `urgent` takes nodes from jobs of `debug`, which have 20 s to save and go back into the queue.
set -euo pipefail

dir=$(realpath -m "${2:-/tmp/whale_jax_slurm}")
host=$(hostname -s)
cores=$(nproc)
line="127.0.0.1 node0 node1  # $dir"

install() {
  apt-get update --quiet=2
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends slurm-wlm munge
}

start() {
  if [[ -e $dir/slurmctld.pid ]]; then
    echo "a cluster is running in $dir: stop it first" >&2
    exit 2
  fi
  mkdir -p "$dir/state"
  chmod 755 "$dir"
  configure > "$dir/slurm.conf"
  (umask 077 && head -c 1024 /dev/urandom > "$dir/munge.key")
  # JAX looks up the first node of a job by its name.
  grep -qxF "$line" /etc/hosts || echo "$line" >> /etc/hosts
  munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" --log-file="$dir/munge.log" \
    --pid-file="$dir/munged.pid" --seed-file="$dir/munge.seed" 2> "$dir/munge.err"
  export SLURM_CONF=$dir/slurm.conf
  slurmctld
  for node in node0 node1; do slurmd -N "$node"; done
  for _ in {1..60}; do
    if [[ $(sinfo --noheader --partition=debug --states=idle --format=%D 2> /dev/null) == 2 ]]; then
      echo "export SLURM_CONF=$SLURM_CONF"
      return
    fi
    sleep 0.5
  done
  echo "the nodes did not come up in 30 s: see $dir/*.log" >&2
  exit 1
}

stop() {
  for daemon in slurmd.node0 slurmd.node1 slurmctld munged; do
    if [[ -e $dir/$daemon.pid ]]; then
      pid=$(< "$dir/$daemon.pid")
      kill "$pid" 2> /dev/null || true
      for _ in {1..100}; do [[ -e /proc/$pid ]] && sleep 0.1; done
      kill -9 "$pid" 2> /dev/null || true
      rm -f "$dir/$daemon.pid"
    fi
  done
  grep -vxF "$line" /etc/hosts > "$dir/hosts" && cat "$dir/hosts" > /etc/hosts  # may be a mount: it cannot be renamed
}

# cred_expire: without it, a job that goes back into the queue waits two minutes. config_overrides: each of the two nodes
# has all cores of the one machine.
configure() {
  cat << END
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
SlurmctldPort=16817
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
SchedulerParameters=bf_interval=2,sched_interval=2
NodeName=node[0-1] NodeHostname=$host NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=$cores RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes=node[0-1] Default=YES State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=urgent Nodes=node[0-1] State=UP PriorityTier=10 PreemptMode=OFF
END
}

case ${1:-} in
  install | start | stop) "$1" ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
