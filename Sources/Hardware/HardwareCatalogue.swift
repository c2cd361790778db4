import Foundation
import StrictYAML
import Threading

/// The devices, links and nodes that scenarios may name.
///
///     let catalogue = try HardwareCatalogue.load()
///     let node = try catalogue.node(named: "dgx-h100")
///
/// Comes from the YAML files in `Catalogue/`, which ship with the program, and from files of the
/// user's in the same format. Entries stand in the order of the files.
public struct HardwareCatalogue: Sendable {
  public private(set) var devices: [Device]
  public private(set) var links: [Link]
  public private(set) var nodes: [Node]
  /// What collectives cost beside their bytes, by library, operation and links.
  public private(set) var collectives: [CollectiveCost]
  /// What kernels take, by family, library and device.
  public private(set) var kernels: [KernelCalibration]

  /// Reads the catalogue that ships with the program and then `extraFiles`.
  ///
  /// A user's file has the sections `sources`, `memory-kinds`, `links`, `devices`, `nodes`,
  /// `collectives` and `kernels`, each optional, and may refer to the program's links and devices. It can
  /// replace kernels, by their names; another name that stands twice is an error.
  ///
  /// - Throws: ``Problems``: everything wrong with any of the files.
  public static func load(extraFiles: [String] = []) throws(Problems) -> HardwareCatalogue {
    let problems = ProblemCollector()
    var files: [Value] = []
    for path in shippedFiles + extraFiles {
      do { files.append(try Value.contents(ofFile: path)) } catch { problems.add(error) }
    }
    // What a file would have said that cannot be read is missing all over the others.
    try problems.throwIfAny()
    var document = CatalogueDocument()
    for (index, file) in files.enumerated() {
      document.add(file, precedence: max(0, index + 1 - shippedFiles.count), problems)
    }
    if files.contains(where: { !$0.isMapping }) { try problems.throwIfAny() }
    let catalogue = HardwareCatalogue(document, problems)
    try problems.throwIfAny()
    return catalogue
  }

  /// The same with those entries only that some names need, and those of `extraFiles`: several times
  /// as fast. What libraries add to collectives is left out, and how far kernels are off in each decade.
  ///
  /// - Parameters:
  ///   - names: Of nodes, devices or links, among whatever other words.
  ///   - kernels: Whether there are numbers of kernels: all that the named devices could take.
  /// - Throws: ``Problems``. Where anything is wrong, ``load(extraFiles:)`` says so with suggestions.
  public static func load(
    naming names: Set<String>, kernels: Bool, extraFiles: [String] = []
  ) throws(Problems) -> HardwareCatalogue {
    let problems = ProblemCollector()
    var seeds = names
    var extra: [Value] = []
    for path in extraFiles {
      let file = try Value.contents(ofFile: path)
      file.words(into: &seeds)
      extra.append(file)
    }
    let isWanted = { (path: String) in
      ["links", "devices", "nodes"].contains { path.hasSuffix("/\($0).yaml") }
        || kernels && path.hasSuffix("/kernels.yaml")
    }
    var excerpt = Excerpt(ofFiles: shippedFiles.filter(isWanted), prose: ["sources"])
    excerpt.need(seeds)
    if kernels { excerpt.need(kernelNames(in: excerpt, all: !extraFiles.isEmpty)) }
    var document = CatalogueDocument()
    // Kernels take as long to read as all others, so that they come first, on a thread of their own.
    let parts = excerpt.files(leavingOut: "decades").compactMap { path, text in
      text.map { (path: path, text: $0) }
    }
    let values = inParallel(parts.count, threads: kernels ? 2 : 1) { index in
      let part = parts[parts.count - 1 - index]
      return Result { () throws(Problems) in try Value(parsing: part.text, file: part.path) }
    }
    for value in values.reversed() { document.add(try value.get(), problems) }
    for (index, file) in extra.enumerated() {
      document.add(file, precedence: index + 1, problems)
    }
    let catalogue = HardwareCatalogue(document, problems)
    try problems.throwIfAny()
    return catalogue
  }

  /// The kernels that the devices of an excerpt take (``Device/takesKernels``): of each family their own
  /// and their relatives', and those of the device that takes nobody's, the last
  /// (``kernels(nearestTo:)``).
  ///
  /// - Parameter all: Because other files have kernels, too. All are also named where one does not say its
  ///   family and device plainly.
  private static func kernelNames(in excerpt: Excerpt, all: Bool) -> [String] {
    let devices = excerpt.entries(of: "devices", saying: ["kind", "compute-units"])
    let takes = devices.contains { device in
      excerpt.keeps(device.name) && device.values[0] == Device.Kind.gpu.rawValue
        && device.values[1] != nil
    }
    guard takes || all else { return [] }
    let entries = excerpt.entries(of: "kernels", saying: ["family", "device"])
    let known = Set(devices.map(\.name))
    var last: [String: String] = [:]
    var isPlain = !all
    for entry in entries {
      if let family = entry.values[0], let device = entry.values[1], known.contains(device) {
        last[family] = device
      } else {
        isPlain = false
      }
    }
    return entries.filter { entry in
      guard isPlain, let family = entry.values[0], let device = entry.values[1] else { return true }
      return excerpt.keeps(device) || last[family] == device
    }.map(\.name)
  }

  private static var shippedFiles: [String] {
    let folder = (Bundle.module.resourceURL ?? Bundle.module.bundleURL)
      .appendingPathComponent("Catalogue")
    let files = ["links", "devices", "nodes", "collectives", "collectives-published", "kernels"]
    return files.map { folder.appendingPathComponent($0 + ".yaml").path }
  }

  /// Builds links before devices before nodes, because each refers to the ones before; kernels before
  /// nodes, which hold their devices.
  init(_ document: CatalogueDocument, _ problems: ProblemCollector) {
    links = document.links.compactMap { $0.link(problems) }
    let kinds = document.memoryKinds.compactMap { $0.memoryKind(problems) }
    let context = DeviceContext(links: Set(document.links.map(\.name)), memoryKinds: kinds)
    let drafts = document.devices.compactMap { $0.deviceDraft(context, problems) }
    devices = DeviceDraft.resolved(drafts, problems)
    nodes = []
    collectives = []
    kernels = []
    kernels = document.kernels.compactMap { $0.kernelCalibration(devices, problems) }
    for index in devices.indices where devices[index].takesKernels {
      devices[index].kernels = kernels(nearestTo: devices[index])
    }
    let reader = NodeReader(
      devices: devices, links: links, problems: problems,
      unreadableNames: Set(document.devices.map(\.name) + document.links.map(\.name)))
    nodes = document.nodes.compactMap { reader.node($0) }
    collectives = document.collectives.compactMap { $0.collectiveCost(reader.links, problems) }
  }

  /// - Throws: ``HardwareError/unknownName(_:kind:suggestions:)``.
  public func device(named name: String) throws(HardwareError) -> Device {
    guard let found = devices.first(where: { $0.name == name }) else {
      throw .unknown(name, kind: "device", among: devices.map(\.name))
    }
    return found
  }

  /// - Throws: ``HardwareError/unknownName(_:kind:suggestions:)``.
  public func link(named name: String) throws(HardwareError) -> Link {
    guard
      let found = links.first(where: {
        $0.name == name || $0.otherNames.contains(name)
      })
    else {
      throw .unknown(name, kind: "link", among: links.map(\.name))
    }
    return found
  }

  /// - Throws: ``HardwareError/unknownName(_:kind:suggestions:)``.
  public func node(named name: String) throws(HardwareError) -> Node {
    guard let found = nodes.first(where: { $0.name == name }) else {
      throw .unknown(name, kind: "node", among: nodes.map(\.name))
    }
    return found
  }
}
