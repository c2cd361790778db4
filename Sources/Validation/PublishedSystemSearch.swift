import Foundation
import StrictYAML

extension PublishedSystem {
  /// Reads every `expected.yaml` under the folders, sorted by path; one that is in two folders is
  /// read once.
  ///
  /// - Throws: ``Problems``: of all files together; folders that are none or hold no such file.
  public static func all(under folders: [String]) throws(Problems) -> [PublishedSystem] {
    let problems = ProblemCollector()
    var identities: Set<String> = []
    var paths: [String] = []
    for folder in folders {
      for path in files(under: folder, problems) {
        let identity = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        if identities.insert(identity).inserted { paths.append(path) }
      }
    }
    var systems: [PublishedSystem] = []
    for path in paths.sorted() {
      do {
        systems.append(try PublishedSystem(path: path))
      } catch {
        problems.add(error)
      }
    }
    try problems.throwIfAny()
    return systems
  }

  private static func files(under folder: String, _ problems: ProblemCollector) -> [String] {
    let start = Location(file: folder, line: 1, column: 1)
    var name = folder[...]
    while name.count > 1, name.last == "/" { name.removeLast() }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: String(name), isDirectory: &isFolder) else {
      problems.add("no such folder", at: start)
      return []
    }
    guard isFolder.boolValue else {
      problems.add("is a file; name the folder that holds it", at: start)
      return []
    }
    guard let all = try? FileManager.default.subpathsOfDirectory(atPath: String(name)) else {
      problems.add("the folder cannot be read", at: start)
      return []
    }
    let found = all.filter { $0 == fileName || $0.hasSuffix("/" + fileName) }
    if found.isEmpty {
      problems.add(
        "the folder holds no \(fileName), which says what a paper's scenarios are held to",
        at: start)
    }
    return found.map { name == "/" ? "/\($0)" : name == "." ? $0 : "\(name)/\($0)" }
  }
}
