"""A real SLURM and a real SGE of one node, for the length of a test run.

All that a scheduler writes is in one folder, its daemons are children of this process, and
they listen on the loopback interface only, on ports that were free. No other cluster that this
machine may be part of is touched. Debian 12's packages in ``packages.txt`` are needed, and root,
because that is who may start jobs.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path


class Scheduler:
    """A scheduler of one node.

    Attributes
    ----------
    environment : dict
        Variables with which its commands reach it.
    """

    #: Programs without which it cannot be started.
    needs = ()
    #: Seconds to start in; it takes about five.
    patience = 60

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {}
        self._daemons = {}

    @classmethod
    def missing(cls):
        """Say what there is not, on this machine, to start it with."""
        if os.getuid() != 0:
            return 'not root'
        programs = [program for program in cls.needs if shutil.which(program) is None]
        return f'not installed: {", ".join(programs)}' if programs else None

    def command(self, *arguments, check=True):
        """Run one of its commands; give what it prints."""
        done = subprocess.run(
            list(map(str, arguments)),
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f'{arguments}: {done.stdout}')
        return done.stdout

    def stop(self):
        """End the daemons, and with them the jobs."""
        for name in list(self._daemons)[::-1]:
            self._end(name)

    def pause(self):
        """End the controller; jobs go on."""
        self._end(self.controller)

    def _start(self, name, *arguments, **variables):
        with open(self.folder / f'{name}.log', 'a') as log:
            self._daemons[name] = subprocess.Popen(
                [name, *map(str, arguments)],
                env={**os.environ, **self.environment, **variables},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )

    def _end(self, name):
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _wait_for(self, condition):
        """Wait until it holds, while the daemons live."""
        end = time.monotonic() + self.patience
        while not condition():
            dead = [name for name, each in self._daemons.items() if each.poll() is not None]
            if dead or time.monotonic() > end:
                logs = sorted(self.folder.rglob('*.log')) + sorted(self.folder.rglob('messages'))
                tails = (f'{log}:\n{log.read_text()[-1500:]}' for log in logs)
                raise RuntimeError(f'{type(self).__name__} does not start\n' + '\n'.join(tails))
            time.sleep(0.1)


class Slurm(Scheduler):
    """SLURM without accounting and without cgroups."""

    needs = ('munged', 'slurmctld', 'slurmd', 'sbatch')
    controller = 'slurmctld'

    def start(self):
        """Start it, and wait until it takes jobs."""
        self.environment = {'SLURM_CONF': str(self.folder / 'slurm.conf')}
        for name in ('state', 'spool'):
            (self.folder / name).mkdir()
        key, munge_socket = self.folder / 'munge.key', self.folder / 'munge.socket'
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        # Authentication wants its folders to be safe from others, and open to clients.
        self.folder.chmod(0o711)
        self._start(
            'munged',
            *('--foreground', '--force', '--key-file', key, '--socket', munge_socket),
            *('--pid-file', self.folder / 'munged.pid', '--seed-file', self.folder / 'seed'),
            *('--log-file', self.folder / 'munge.log'),
        )
        self._wait_for(munge_socket.exists)
        host = resolved_name()
        (self.folder / 'slurm.conf').write_text(self._settings(host, munge_socket))
        self.resume()
        self._start('slurmd', '-D')
        self._wait_for(lambda: 'idle' in self.command('sinfo', '-h', '-o', '%T', check=False))

    def resume(self):
        """Start the controller; again, after a pause."""
        self._start('slurmctld', '-D')

    def _settings(self, host, munge_socket):
        n_cpus, memory_mb = os.cpu_count(), memory() // 2**20
        settings = {
            'ClusterName': 'nistats-nipype-tests',
            'SlurmctldHost': f'{host}(127.0.0.1)',
            'SlurmctldPort': free_port(),
            'SlurmdPort': free_port(),
            'CommunicationParameters': 'NoInAddrAny,NoCtldInAddrAny',
            'AuthType': 'auth/munge',
            'AuthInfo': f'socket={munge_socket}',
            'SlurmUser': 'root',
            'StateSaveLocation': self.folder / 'state',
            'SlurmdSpoolDir': self.folder / 'spool',
            'SlurmctldPidFile': self.folder / 'slurmctld.pid',
            'SlurmdPidFile': self.folder / 'slurmd.pid',
            'ProctrackType': 'proctrack/linuxproc',
            'TaskPlugin': 'task/none',
            'MpiDefault': 'none',
            'SelectType': 'select/cons_tres',
            'SelectTypeParameters': 'CR_Core_Memory',
            # A job that asks for nothing leaves room for others.
            'DefMemPerCPU': 256,
            # The numbers below are right, whatever slurmd makes of this machine.
            'SlurmdParameters': 'config_overrides',
            'ReturnToService': 2,
            # Quick answers in place of many.
            'SchedulerParameters': 'bf_interval=1,sched_interval=1,batch_sched_delay=0,'
            'sched_min_interval=0',
            'KillWait': 2,
            'CompleteWait': 0,
        }
        lines = [f'{name}={value}' for name, value in settings.items()]
        node = f'NodeName={host} NodeAddr=127.0.0.1 CPUs={n_cpus} RealMemory={memory_mb}'
        partition = f'PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP'
        return '\n'.join([*lines, node, partition, ''])

    def jobs(self):
        """Ids of the jobs in the queue."""
        return self.command('squeue', '-h', '-o', '%i').split()

    def running(self):
        """Ids of the jobs that run."""
        return self.command('squeue', '-h', '-t', 'R', '-o', '%i').split()

    def waiting(self):
        """Ids of the jobs that do not run yet."""
        return self.command('squeue', '-h', '-t', 'PD', '-o', '%i').split()

    def cancel(self, *job_ids):
        """Cancel jobs."""
        self.command('scancel', *job_ids)


class Sge(Scheduler):
    """Son of Grid Engine."""

    needs = ('sge_qmaster', 'sge_execd', 'qsub', 'gcc')
    controller = 'sge_qmaster'

    def start(self):
        """Start it, and wait until it takes jobs."""
        common = self.folder / 'root' / 'test' / 'common'
        common.mkdir(parents=True)
        for name in ('bin', 'lib', 'util', 'utilbin'):
            (self.folder / 'root' / name).symlink_to(f'/var/lib/gridengine/{name}')
        self.environment = {
            'SGE_ROOT': str(self.folder / 'root'),
            'SGE_CELL': 'test',
            'SGE_QMASTER_PORT': str(free_port()),
            'SGE_EXECD_PORT': str(free_port()),
            'SGE_ND': '1',  # daemons stay children
        }
        # Every name of this machine is that of one host.
        (common / 'host_aliases').write_text(f'localhost {resolved_name()}\n')
        (common / 'act_qmaster').write_text('localhost\n')
        self._make_cell(common)
        self._shim = self._build_shim()
        self.resume()
        self._wait_for(lambda: 'execd_spool_dir' in self.command('qconf', '-sconf', check=False))
        self._make_queue()
        self._start('sge_execd', LD_PRELOAD=self._shim)
        # The load is there, and the state of the queue is empty.
        ready = re.compile(r'^all\.q@localhost +\S+ +\S+ +[\d.]+ +\S+ *$', re.MULTILINE)
        self._wait_for(lambda: ready.search(self.command('qstat', '-f', check=False)))

    def resume(self):
        """Start the controller; again, after a pause."""
        self._start('sge_qmaster', LD_PRELOAD=self._shim)

    def _make_cell(self, common):
        """Make the files of a cell in which root is the administrator, and may run jobs."""
        spool, share = self.folder / 'spooldb', Path('/usr/share/gridengine')
        for folder in (spool, self.folder / 'qmaster' / 'job_scripts', self.folder / 'execd'):
            folder.mkdir(parents=True)
        changes = {
            'admin_user': 'root',
            'spooling_params': spool,
            'qmaster_spool_dir': self.folder / 'qmaster',
        }
        bootstrap = (share / 'default-bootstrap').read_text()
        (common / 'bootstrap').write_text(changed(bootstrap, changes))
        changes = {
            'execd_spool_dir': self.folder / 'execd',
            'min_uid': 0,
            'min_gid': 0,
            'load_report_time': '00:00:05',
            'finished_jobs': 0,
            'reporting_params': 'accounting=true reporting=false flush_time=00:00:01 '
            'accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00',
        }
        configuration = self.folder / 'configuration'
        configuration.write_text(changed((share / 'default-configuration').read_text(), changes))
        lib, resources = Path('/usr/lib/gridengine'), share / 'util' / 'resources'
        self.command(lib / 'spoolinit', 'berkeleydb', 'libspoolb', spool, 'init')
        for what, value in (
            ('configuration', configuration),
            ('complexes', resources / 'centry'),
            ('usersets', resources / 'usersets'),
            ('managers', 'root'),
        ):
            self.command(lib / 'spooldefaults', what, value)

    def _make_queue(self):
        """Make the node, a parallel environment and a queue."""
        self.command('qconf', '-ah', 'localhost')
        self.command('qconf', '-as', 'localhost')
        scheduling = {
            'schedule_interval': '0:0:1',
            'flush_submit_sec': 1,
            'flush_finish_sec': 1,
        }
        queue = {
            'qname': 'all.q',
            'hostlist': 'localhost',
            'slots': os.cpu_count(),
            'pe_list': 'smp',
            'load_thresholds': 'NONE',
            # Not a login shell, whose profile would run in every job, and be killed with it.
            'shell_start_mode': 'unix_behavior',
        }
        environment = {'pe_name': 'smp', 'slots': 999, 'allocation_rule': '$pe_slots'}
        for show, add, changes in (
            ('-ssconf', '-Msconf', scheduling),
            ('-sp make', '-Ap', environment),
            ('-sq', '-Aq', queue),
        ):
            if add == '-Ap':
                template = Path('/usr/share/gridengine/util/resources/pe/make').read_text()
            else:
                template = self.command('qconf', show)
            file = self.folder / f'qconf{add}'
            file.write_text(changed(template, changes))
            self.command('qconf', add, file)

    def _build_shim(self):
        """Build a library that binds daemons to the loopback interface; SGE has no setting."""
        library = self.folder / 'loopback.so'
        source = library.with_suffix('.c')
        source.write_text(_LOOPBACK)
        self.command('gcc', '-shared', '-fPIC', '-o', library, source, '-ldl')
        return str(library)

    def jobs(self, *options):
        """Ids of the jobs in the queue."""
        lines = self.command('qstat', '-u', '*', *options).splitlines()[2:]
        return [line.split()[0] for line in lines]

    def running(self):
        """Ids of the jobs that run."""
        return self.jobs('-s', 'r')

    def waiting(self):
        """Ids of the jobs that do not run yet."""
        return self.jobs('-s', 'p')

    def cancel(self, *job_ids):
        """Cancel jobs."""
        self.command('qdel', *job_ids)


_LOOPBACK = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in local;

    if (address->sa_family != AF_INET)
        return next(fd, address, length);
    local = *(const struct sockaddr_in *)address;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(fd, (struct sockaddr *)&local, sizeof local);
}
"""


def changed(settings, changes):
    """Change settings of SGE, one on each line: a name, spaces, a value."""
    for name, value in changes.items():
        line = re.compile(rf'^({name}\s+).*$', re.MULTILINE)
        settings, n_lines = line.subn(rf'\g<1>{value}', settings)
        if n_lines != 1:
            raise ValueError(f'{n_lines} lines for {name} in {settings}')
    return settings


def resolved_name():
    """Name of this machine; made to resolve to the loopback interface, which often it does not."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        address = ''
    if not address.startswith('127.'):
        hosts = Path('/etc/hosts')
        hosts.write_text(f'127.0.0.1 localhost {name}\n{hosts.read_text()}')
    return name


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def memory():
    """Bytes of memory of this machine."""
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
