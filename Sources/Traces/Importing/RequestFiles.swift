import Foundation

/// What reads one request's file: its name without folders, and its bytes.
typealias RequestFileReader = (String, UnsafeRawBufferPointer) throws(TraceError) -> Void

/// Visits the files that `input` stands for: itself, the files of a folder and those below it whose
/// names end in `suffix`, in the order of their names, or those of a `.tar` or `.tar.xz`.
func forEachRequestFile(
  of input: String, named suffix: String, _ body: RequestFileReader
) throws(TraceError) {
  if isArchive(input) {
    let archive = TarReader(try openSource(input), file: input)
    while let member = try archive.next() {
      guard member.name.hasSuffix(suffix) else { continue }
      try visit(member.bytes, lastComponent(of: member.name), body)
    }
    return
  }
  guard isFolder(input) else {
    if input.hasSuffix(".xz") {
      let bytes = try openSource(input).read(largestRequestFile + 1)
      guard bytes.count <= largestRequestFile else {
        throw .cannotRead(file: input, reason: "it is larger than 1 GiB; decompress it first")
      }
      return try visit(bytes, lastComponent(of: String(input.dropLast(3))), body)
    }
    return try withMappedFile(input) { bytes throws(TraceError) in
      try body(lastComponent(of: input), bytes)
    }
  }
  let names = filesBelow(input).filter { $0.hasSuffix(suffix) }
  guard !names.isEmpty else {
    throw .cannotRead(file: input, reason: "the folder has no \(suffix) files")
  }
  for name in names {
    try withMappedFile(input + "/" + name) { bytes throws(TraceError) in
      try body(lastComponent(of: name), bytes)
    }
  }
}

/// Visits one of those files, whatever its name ends in, to recognise the format.
func forFirstRequestFile(of input: String, _ body: RequestFileReader) throws(TraceError) {
  if isArchive(input) {
    guard let member = try TarReader(try openSource(input), file: input).next() else {
      throw .empty(file: input)
    }
    return try visit(member.bytes, member.name, body)
  }
  var file = input
  if isFolder(input) {
    guard let first = filesBelow(input).first else {
      throw .cannotRead(file: input, reason: "the folder has no files")
    }
    file += "/" + first
  }
  if file.hasSuffix(".xz") {
    let bytes = try openSource(file).read(4096)
    return try visit(bytes, file, body)
  }
  try withMappedFile(file) { bytes throws(TraceError) in try body(file, bytes) }
}

/// A request's file in an archive, or decompressed, is held in memory; this is the most.
let largestRequestFile = 1 << 30

private func visit(
  _ bytes: [UInt8], _ name: String, _ body: RequestFileReader
) throws(TraceError) {
  try bytes.withUnsafeBufferPointer { bytes throws(TraceError) in
    try body(name, UnsafeRawBufferPointer(bytes))
  }
}

private func isArchive(_ file: String) -> Bool {
  file.hasSuffix(".tar") || file.hasSuffix(".tar.xz")
}

func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Paths within a folder, sorted by their bytes.
private func filesBelow(_ folder: String) -> [String] {
  guard let walk = FileManager.default.enumerator(atPath: folder) else { return [] }
  return walk.compactMap { $0 as? String }
    .filter { !isFolder(folder + "/" + $0) && !lastComponent(of: $0).hasPrefix(".") }
    .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// The plain files of a POSIX tar archive ("ustar"), one after the other.
final class TarReader {
  private let source: any ByteSource
  private let file: String

  init(_ source: any ByteSource, file: String) {
    self.source = source
    self.file = file
  }

  /// The next plain file, or `nil` at the end.
  func next() throws(TraceError) -> (name: String, bytes: [UInt8])? {
    var longName: String?
    while true {
      let header = try source.read(512)
      if header.isEmpty || header.allSatisfy({ $0 == 0 }) { return nil }
      guard header.count == 512, let size = octal(header[124..<136]), size <= largestRequestFile
      else { throw .malformed(file: file, line: nil, detail: "the tar archive is damaged") }
      let bytes = try source.read(size)
      let padding = try source.read((512 - size % 512) % 512)
      guard bytes.count == size, (size + padding.count) % 512 == 0 else {
        throw .malformed(file: file, line: nil, detail: "the tar archive is truncated")
      }
      switch header[156] {
      case UInt8(ascii: "0"), 0:
        return (longName ?? name(in: header), bytes)
      case UInt8(ascii: "L"):  // GNU: the next file's name
        longName = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      default: continue  // folders, links, attributes
      }
    }
  }

  private func name(in header: [UInt8]) -> String {
    let text = { (range: Range<Int>) in
      String(decoding: header[range].prefix { $0 != 0 }, as: UTF8.self)
    }
    let prefix = text(345..<500)
    return prefix.isEmpty ? text(0..<100) : prefix + "/" + text(0..<100)
  }

  private func octal(_ field: ArraySlice<UInt8>) -> Int? {
    let digits = field.drop { $0 == UInt8(ascii: " ") }
      .prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
    return Int(String(decoding: digits, as: UTF8.self), radix: 8).flatMap { $0 >= 0 ? $0 : nil }
  }
}
