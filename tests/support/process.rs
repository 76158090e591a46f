//! Child processes that cannot outlive the tests, and the directories that they write to.

use super::client::status_of;
use super::eventually;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Runs a program, and kills it when standard input ends: the pipe's other end is ours, so it ends when a handle is dropped,
/// when the tests are over (statics are never dropped) and when they are killed.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
( read -r _ <&3; kill -9 "$child" ) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"#;

/// A program that runs beside the tests; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; both output streams go to `log`.
    pub(crate) fn start(program: &Path, arguments: &[String], log: PathBuf) -> Self {
        let output = File::create(&log).expect("a log file");
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle of the log"))
            .stderr(output)
            .spawn()
            .expect("/bin/sh starts");
        Self { keeper, log }
    }

    /// Starts a server that cannot say which port it got, so one is found for it; another process may take it in between.
    /// It is there when it answers 200 at `ready`.
    pub(crate) fn serve(
        program: &Path,
        arguments: impl Fn(u16) -> Vec<String>,
        log: &Path,
        ready: &str,
    ) -> (u16, Self) {
        let run = || {
            let port = free_port();
            let mut process = Self::start(program, &arguments(port), log.to_owned());
            let is_ready = eventually("a server to be ready", || {
                if process.ended().is_some() {
                    return Some(false);
                }
                (status_of(port, ready) == Some(200)).then_some(true)
            });
            is_ready.then_some((port, process))
        };
        (0..5)
            .find_map(|_| run())
            .unwrap_or_else(|| panic!("{} does not start: see {}", program.display(), log.display()))
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.keeper.try_wait().expect("the keeper can be asked")
    }

    /// Bytes of memory that it has now (Linux).
    pub(crate) fn resident(&self) -> usize {
        let pages = |statm: &str| statm.split(' ').nth(1).expect("a second number").parse::<usize>().expect("pages");
        self.children("statm").iter().map(|statm| pages(statm)).max().expect("the program") * 4096
    }

    /// The time that processors have spent on it (Linux), in steps of 10 ms.
    // proc(5): `stat`, fields 14 and 15, behind a name that may hold anything
    pub(crate) fn processor_time(&self) -> Duration {
        let ticks = |stat: &str| {
            let fields = stat.rsplit_once(')').expect("a name").1.split(' ');
            fields.skip(12).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum::<u64>()
        };
        Duration::from_millis(self.children("stat").iter().map(|stat| ticks(stat) * 10).sum())
    }

    /// Pages of 64 KiB that its WebAssembly memories have, all together (Linux, V8): each is one mapping with a guard of gigabytes
    /// behind it.
    pub(crate) fn wasm_pages(&self) -> usize {
        let maps = self.children("maps").concat();
        let mapping = |line: &str| {
            let (range, rest) = line.split_once(' ').expect("a range");
            let (start, end) = range.split_once('-').expect("two addresses");
            let address = |text| usize::from_str_radix(text, 16).expect("an address");
            (address(start), address(end), rest.split(' ').next().expect("rights").to_owned())
        };
        let mappings: Vec<_> = maps.lines().map(mapping).collect();
        let is_memory = |pair: &&[(usize, usize, String)]| {
            let [(_, end, rights), (guard, guard_end, none)] = pair else { return false };
            rights == "rw-p" && none == "---p" && end == guard && guard_end - guard > 4 << 30
        };
        mappings.windows(2).filter(is_memory).map(|pair| (pair[0].1 - pair[0].0) >> 16).sum()
    }

    /// A file of /proc for the program, and for the shell that waits beside it.
    fn children(&self, file: &str) -> Vec<String> {
        let keeper = self.keeper.id();
        let children =
            fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).expect("the keeper's children");
        let read = |process| fs::read_to_string(format!("/proc/{process}/{file}")).expect("a process");
        children.split_whitespace().map(read).collect()
    }

    /// All of its log so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of its log, for a failure's message.
    pub(crate) fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        format!("{}:\n{}", self.log.display(), lines[lines.len().saturating_sub(60)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A new directory for one process. It stays after the run, logs are worth reading then, and goes with a later run.
pub(crate) fn directory(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let path = RUN.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&path).expect("a directory for the lab");
    path
}

static RUN: LazyLock<PathBuf> = LazyLock::new(|| {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|data| data.modified()).map(|then| SystemTime::now().duration_since(then));
        // Another run may be going on beside this one; no run takes an hour.
        if matches!(age, Ok(Ok(age)) if age > Duration::from_secs(3600)) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    all.join(format!("run-{}", std::process::id()))
});
