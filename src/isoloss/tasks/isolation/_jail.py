"""The jail by util-linux: a root file system that has almost nothing in it.

The script below runs as PID 1 of new PID, mount, network, IPC and UTS namespaces. Its first
arguments are the folder to mount on, the owner of the writable folder, its size, and where the
interpreter lies; the rest is the command to run inside. When PID 1 ends, the kernel kills
everything in its namespace.

* The new root is a tmpfs with read-only binds of /usr and the interpreter; the old root is
  unmounted. There is no /proc, /sys, /home or /etc, and of /dev only null and urandom.
* The command then runs under `chroot /jail`, a second mount of the same root: the kernel forbids
  chrooted processes to make user namespaces (user_namespaces(7), EPERM), in which they would have
  capabilities, and could fill memory by mounting file systems of their own.
* System V shared memory outlives the process that fills it, so the new IPC namespace has none.
"""

SCRIPT = r"""
set -eu
root=$1 owner=$2 size=$3 python=$4
shift 4

echo 1000 > /proc/self/oom_score_adj        # where memory runs out, this goes first
echo 0 > /proc/sys/kernel/shmmni

mount -t tmpfs -o mode=755,size=1m,nr_inodes=500,nosuid,nodev tmpfs "$root"
cd "$root"
mkdir dev tmp jail old proc

read_only() {
    mkdir -p ".$1"
    mount --bind "$1" ".$1"
    mount -o remount,bind,ro,nosuid,nodev ".$1"
}
for folder in /usr /bin /sbin /lib /lib32 /lib64; do
    if [ -L "$folder" ]; then cp -P "$folder" ".$folder"
    elif [ -d "$folder" ]; then read_only "$folder"
    fi
done
case $python in
    /usr | /usr/*) ;;
    *) read_only "$python" ;;
esac
if [ -f /etc/ld.so.cache ]; then            # where a distribution keeps its own libraries
    mkdir etc
    : > etc/ld.so.cache
    mount --bind /etc/ld.so.cache etc/ld.so.cache
    mount -o remount,bind,ro,nosuid,nodev etc/ld.so.cache
fi
for device in null urandom; do
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount -t tmpfs -o "mode=700,uid=$owner,gid=$owner,size=$size,nr_inodes=2000,nosuid,nodev" tmpfs tmp
mount -o remount,bind,ro .

mount --rbind . jail
mount --rbind /proc proc                    # umount reads it; not part of the jail
pivot_root . old
umount -l /old
umount -l /proc

status=0
"$@" || status=$?                           # not exec: PID 1 has no signals, its child has
exit "$status"
"""
