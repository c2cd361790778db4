import StrictYAML

/// The sections of all catalogue files, entries still unread.
struct CatalogueDocument {
  var links: [CatalogueEntry] = []
  var memoryKinds: [CatalogueEntry] = []
  var devices: [CatalogueEntry] = []
  var nodes: [CatalogueEntry] = []
  var collectives: [CatalogueEntry] = []
  var kernels: [CatalogueEntry] = []

  /// Takes the entries of one file; its sources hold for its own entries only.
  ///
  /// - Parameter precedence: Of its entries over others'.
  mutating func add(_ file: Value, precedence: Int = 0, _ problems: ProblemCollector) {
    let reader = MappingReader(file, problems, context: "a hardware catalogue")
    let sources =
      reader.optionalMapping("sources", context: "'sources'").map(SourceBook.init(reading:))
      ?? SourceBook(citations: [:])
    func add(
      _ section: String, to entries: inout [CatalogueEntry], word: String,
      mayReplace: Bool = false
    ) {
      guard let value = reader.optional(section) else { return }
      guard case .mapping(let found) = value.content else {
        problems.add(
          "'\(section)' maps names to \(section), not \(value.kindName)", at: value.location)
        return
      }
      for entry in found {
        let name = entry.key
        if mayReplace,
          let former = entries.firstIndex(where: {
            $0.name == name && $0.location.file != entry.keyLocation.file
          })
        {
          entries.remove(at: former)
        }
        if let first = entries.first(where: { $0.name == name })?.location {
          problems.add(
            "the \(word) '\(name)' stands twice, first at \(first.file):\(first.line); rename one",
            at: entry.keyLocation)
        } else if Self.isName(name) {
          entries.append(
            CatalogueEntry(
              name: name, location: entry.keyLocation, value: entry.value, sources: sources,
              precedence: precedence))
        } else {
          problems.add(
            "'\(name)' is not a catalogue name; use lowercase letters, digits and hyphens",
            at: entry.keyLocation)
        }
      }
    }
    add("links", to: &links, word: "link")
    add("memory-kinds", to: &memoryKinds, word: "memory kind")
    add("devices", to: &devices, word: "device")
    add("nodes", to: &nodes, word: "node")
    // What a user has measured anew.
    add("collectives", to: &collectives, word: "collective", mayReplace: true)
    add("kernels", to: &kernels, word: "kernel", mayReplace: true)
    reader.finish()
  }

  private static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: "-")
      && text.utf8.allSatisfy {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
      }
  }
}

/// One named entry of a section.
struct CatalogueEntry {
  var name: String
  var location: Location
  var value: Value
  /// Of the file the entry stands in.
  var sources: SourceBook
  /// As in ``KernelCalibration/precedence``.
  var precedence = 0

  /// A reader of the entry's keys; `context` is what it should be: "a device".
  func reader(_ problems: ProblemCollector, _ context: String) -> SourcedReader {
    SourcedReader(MappingReader(value, problems, context: context), sources: sources)
  }
}
