import Foundation

/// Runs a program to its end, or to the end of its time.
enum ChildProcess {
  enum End: Hashable {
    case exit(code: Int)
    case signal(Int)
    /// Its time was over, and it was killed.
    case killed
  }

  /// Starts a program with nothing to read and its output in a file, waits for it, and kills it
  /// after `seconds`. It is gone when this returns.
  ///
  /// It does not outlive this process, however that ends: a ``Lifeline`` between them breaks, and a shell
  /// beside the program kills it, not what it starts itself. The shell that starts it also limits its
  /// processor time. What is left of the shell beside it is process 1's to reap.
  ///
  /// - Throws: A sentence's end that says why it cannot be started.
  static func run(
    _ executable: String, _ arguments: [String], output: String, seconds: Double
  ) throws(StartFailure) -> End {
    // A processor second is at most a second of one thread; solvers run one.
    let processorSeconds = "\(Int(min(seconds.rounded(.up), 1e9)) + 1)"
    let lifeline = try Lifeline()
    defer { lifeline.letGo() }
    let child = try start(
      "/bin/sh", ["-c", Lifeline.script, processorSeconds, executable] + arguments, output: output,
      lifeline)
    let clock = ContinuousClock()
    let deadline = clock.now.advanced(by: .seconds(min(seconds, 1e9)))
    var pause: UInt32 = 500
    while true {
      var status: Int32 = 0
      let found = waitpid(child, &status, WNOHANG)
      if found == child { return end(status) }
      // Whoever ignores the end of children has them reaped unseen: no code is known.
      if found < 0 && errno != EINTR { throw StartFailure(reason: reason(errno)) }
      if clock.now >= deadline {
        kill(child, SIGKILL)
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        return .killed
      }
      usleep(pause)
      pause = min(pause * 2, 20_000)
    }
  }

  struct StartFailure: Error { let reason: String }

  private static func start(
    _ path: String, _ arguments: [String], output: String, _ lifeline: Lifeline
  ) throws(StartFailure) -> pid_t {
    #if canImport(Glibc) || canImport(Musl)
      var actions = posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Before the others, which take descriptors that the lifeline may have where this process has none.
    posix_spawn_file_actions_adddup2(&actions, lifeline.end, Lifeline.descriptor)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
    words.append(nil)
    let variables = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }.sorted()
    var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) }
    environment.append(nil)
    defer { for word in words + environment { free(word) } }
    var child: pid_t = 0
    let failure = posix_spawn(&child, path, &actions, nil, words, environment)
    guard failure == 0 else { throw StartFailure(reason: reason(failure)) }
    return child
  }

  /// A wait status taken apart; the macros of the C library are not seen from here.
  private static func end(_ status: Int32) -> End {
    status & 0x7f == 0 ? .exit(code: Int(status >> 8 & 0xff)) : .signal(Int(status & 0x7f))
  }

  fileprivate static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// A pair of sockets of which only this process has the one that is written to, so that the system closes it
/// when the process is gone, were it killed in the middle of anything.
private struct Lifeline {
  /// What the child reads.
  let end: Int32
  private let hold: Int32

  /// Where the child has it.
  static let descriptor: Int32 = 3

  /// What a shell does whose words are processor seconds, a program and its arguments: it becomes the
  /// program, and leaves a shell behind that reads the lifeline. A line says that the program has ended;
  /// its end without one that nobody waits for the program any more.
  static let script = """
    ulimit -t "$0" 2>/dev/null
    (trap '' HUP INT TERM; read -r line || kill -KILL $$) <&3 >/dev/null 2>&1 &
    exec "$@" 3<&-
    """

  init() throws(ChildProcess.StartFailure) {
    var ends: [Int32] = [-1, -1]
    // No other child may have what is written to, or the reader would wait for that one too. A pipe can be
    // made so only in C.
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
      let isMade = socketpair(AF_UNIX, kind, 0, &ends) == 0
    #else
      let isMade = socketpair(AF_UNIX, SOCK_STREAM, 0, &ends) == 0
      for end in ends where isMade { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    #endif
    guard isMade else { throw ChildProcess.StartFailure(reason: ChildProcess.reason(errno)) }
    (end, hold) = (ends[0], ends[1])
  }

  /// Lets the reader go, whose program has ended. Both ends are open till then, so that to write is no
  /// error if the reader is gone.
  func letGo() {
    _ = write(hold, "\n", 1)
    close(hold)
    close(end)
  }
}
