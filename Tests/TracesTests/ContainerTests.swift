import Foundation
import Testing

@testable import Traces

/// Writes a small trace, hands its bytes to `damage`, writes them back and opens the file; returns the
/// sentence of the error, with the folder cut off.
private func openingSentence(_ damage: (inout [UInt8]) -> Void) throws -> String? {
  try withTemporaryFolder { folder in
    let file = folder + "/t.routing"
    try randomTrace(layers: 3, experts: 16, topK: 2).write(to: file)
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    damage(&bytes)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return sentence { _ = try RoutingTrace(opening: file) }?
      .replacingOccurrences(of: folder + "/", with: "")
  }
}

/// Recomputes the header's own checksum, so that what is wrong inside is found rather than that.
private func resealHeader(_ bytes: inout [UInt8]) {
  let checksum = bytes[..<120].withUnsafeBytes { Checksum.of($0) }
  withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(120..<128, with: $0) }
}

@Test(arguments: [(16, 2), (300, 8), (256, 3), (257, 3)])
func aTraceWrittenAndOpenedIsTheSame(experts: Int, topK: Int) throws {
  try withTemporaryFolder { folder in
    let original = try randomTrace(layers: 3, experts: experts, topK: topK)
    try original.write(to: folder + "/t.routing")
    let opened = try RoutingTrace(opening: folder + "/t.routing")
    try opened.verify()
    #expect(opened.shape == original.shape)
    #expect(opened.sequences == original.sequences)
    #expect(opened.provenance == "test" && opened.origin == .recorded)
    for token in 0..<original.tokens {
      for layer in 0..<3 {
        #expect(
          opened.selections(token: token, layer: layer)
            == original.selections(token: token, layer: layer))
      }
    }
  }
}

@Test(arguments: [GateFormat.float32, .float16])
func gateWeightsAreKept(format: GateFormat) throws {
  try withTemporaryFolder { folder in
    let shape = try RoutingShape(model: "m", layerIDs: [4], experts: 4, topK: 2)
    let writer = try RoutingTraceWriter(
      to: folder + "/t.routing", shape: shape, origin: .recorded, provenance: "",
      gateFormat: format)
    try writer.append(sequence: "a", prefillTokens: 2, decodeTokens: 0, selections: [0, 1, 3, 2])
    // Exact in half precision.
    try writer.append(gateWeights: [0.75, 0.25, 0.5, -3])
    try writer.finish()
    let trace = try RoutingTrace(opening: folder + "/t.routing")
    #expect(trace.gateWeights(token: 0, layer: 0) == [0.75, 0.25])
    #expect(trace.gateWeights(token: 1, layer: 0) == [0.5, -3])
  }
}

@Test func theChecksumIsXXH64() {
  // Published: XXH64 with seed 0 of the empty input, of "a" and of a text longer than a round.
  #expect(Checksum.of(UnsafeRawBufferPointer(start: nil, count: 0)) == 0xEF46_DB37_51D8_E999)
  #expect(Array("a".utf8).withUnsafeBytes { Checksum.of($0) } == 0xD24E_C4F1_A98C_6E5B)
  let text = Array("Nobody inspects the spammish repetition".utf8)
  #expect(text.withUnsafeBytes { Checksum.of($0) } == 0xFBCE_A83C_8A37_8BF1)
  // In pieces it is the same.
  var pieces = Checksum()
  for byte in text { withUnsafeBytes(of: byte) { pieces.update($0) } }
  #expect(pieces.value == 0xFBCE_A83C_8A37_8BF1)
}

@Test func anEmptyFileIsSaidToBeEmpty() throws {
  #expect(try openingSentence { $0 = [] } == "t.routing: the file is empty")
}

@Test func binaryGarbageIsNoTrace() throws {
  let expected =
    "t.routing: not a routing trace (the first bytes are not a trace's); "
    + "'switchyard trace import' makes one from other formats"
  #expect(try openingSentence { $0 = (0..<500).map { UInt8($0 % 251) } } == expected)
  #expect(try openingSentence { $0 = [1] } == expected)
}

@Test func aTruncatedTraceSaysHowMuchIsMissing() throws {
  // 128 bytes of header, then 4 x 10 tokens x 3 layers x 2 = 240 of selections.
  #expect(
    try openingSentence { $0 = Array($0[..<200]) }
      == "t.routing: the trace is truncated: 368 bytes are needed, the file has 200")
  #expect(
    try openingSentence { $0 = Array($0[..<100]) }
      == "t.routing: the trace is truncated: 128 bytes are needed, the file has 100")
}

@Test func everyTruncationIsRefused() throws {
  try withTemporaryFolder { folder in
    let file = folder + "/t.routing"
    try randomTrace(layers: 2, experts: 8, topK: 2, sequences: 1, tokens: 2).write(to: file)
    let whole = try Data(contentsOf: URL(fileURLWithPath: file))
    for count in 0..<whole.count {
      try whole.prefix(count).write(to: URL(fileURLWithPath: file))
      #expect(sentence { _ = try RoutingTrace(opening: file) } != nil)
    }
  }
}

@Test func everyChangedByteIsNoticedExceptInPadding() throws {
  try withTemporaryFolder { folder in
    let file = folder + "/t.routing"
    try randomTrace(layers: 2, experts: 8, topK: 2, sequences: 1, tokens: 2).write(to: file)
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    // 128 bytes of header, 2 x 2 x 2 = 8 of selections, padding up to 192, then the index.
    for place in Array(0..<136) + Array(192..<whole.count) {
      var changed = whole
      changed[place] ^= 0x11
      try Data(changed).write(to: URL(fileURLWithPath: file))
      #expect(sentence { _ = try RoutingTrace(opening: file) } != nil, "byte \(place)")
    }
  }
}

@Test func hostileHeadersAreRefusedWhateverTheySay() throws {
  // Every field of the header set to values that overflow when multiplied, resealed.
  for place in stride(from: 12, to: 120, by: 4) {
    for value in [UInt32.max, 0x7FFF_FFFF, 0x0100_0000, 257] {
      let found = try openingSentence { bytes in
        withUnsafeBytes(of: value.littleEndian) {
          bytes.replaceSubrange(place..<place + 4, with: $0)
        }
        resealHeader(&bytes)
      }
      // Bytes 28 to 31 mean nothing.
      #expect(found != nil || place == 28, "offset \(place), value \(value)")
    }
  }
}

@Test func aTraceOfANewerFormatSaysWhichOneIsRead() throws {
  #expect(
    try openingSentence { $0[8] = 9 }
      == "t.routing: a trace of format version 9; this program reads version 1")
}

@Test func damagedSelectionsAreNamed() throws {
  #expect(
    try openingSentence { $0[140] ^= 1 }
      == "t.routing: the trace is damaged: the checksum of its expert selections does not match")
}

@Test func anExpertOutOfRangeIsNamedWithItsPlace() throws {
  // Token 7, layer 2, first choice: 7 * 6 + 2 * 2 = byte 46 of the selections. With its checksum
  // made good, the range check is what finds it.
  let found = try openingSentence { bytes in
    bytes[128 + 46] = 16
    let checksum = bytes[128..<368].withUnsafeBytes { Checksum.of($0) }
    withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(96..<104, with: $0) }
    resealHeader(&bytes)
  }
  #expect(
    found
      == "t.routing: expert 16 at token 7, layer 2 is out of range; the model has experts 0 to 15")
}

@Test func aTraceOfAnotherModelIsRefusedNamingBothShapes() throws {
  let trace = try randomTrace(layers: 3, experts: 16, topK: 2)
  try trace.check(layers: 3, experts: 16, topK: 2)
  #expect(
    sentence { try trace.check(layers: 58, experts: 256, topK: 8, for: "deepseek-v3") }
      == "trace in memory: a trace of another model: it has 3 MoE layers of 16 experts, top-2 "
      + "(random), but 58 MoE layers of 256 experts, top-8 (deepseek-v3) are wanted")
}

@Test func aTraceOfNoTokensIsNotWritten() throws {
  try withTemporaryFolder { folder in
    let file = folder + "/t.routing"
    let shape = try RoutingShape(model: "m", layerIDs: [0], experts: 4, topK: 2)
    #expect(
      sentence {
        let writer = try RoutingTraceWriter(
          to: file, shape: shape, origin: .recorded, provenance: "")
        try writer.finish()
      } == "\(file): holds no tokens; a trace needs at least one")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
  }
}

@Test func anInterruptedWriteLeavesTheEarlierFile() throws {
  try withTemporaryFolder { folder in
    let file = folder + "/t.routing"
    let earlier = try randomTrace(layers: 1, experts: 4, topK: 1)
    try earlier.write(to: file)
    #expect(
      sentence { try earlier.write(to: file) } == "\(file): exists already; --force replaces it")
    var writer: RoutingTraceWriter? = try RoutingTraceWriter(
      to: file, shape: earlier.shape, origin: .recorded, provenance: "", replacing: true)
    try writer?.append(sequence: "a", prefillTokens: 1, decodeTokens: 0, selections: [1])
    writer = nil
    #expect(try RoutingTrace(opening: file).tokens == earlier.tokens)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["t.routing"])
  }
}

@Test func anOutputThatCannotBeWrittenSaysWhy() throws {
  let trace = try randomTrace(layers: 1, experts: 4, topK: 1)
  #expect(
    sentence { try trace.write(to: "/nonexistent/t.routing") }
      == "/nonexistent/t.routing: cannot be written: No such file or directory")
}

@Test func aFolderIsNoTrace() {
  #expect(
    sentence { _ = try RoutingTrace(opening: "/") } == "/: cannot be read: it is not a regular file"
  )
}

@Test func impossibleShapesAreRefused() {
  #expect(
    sentence { _ = try RoutingShape(model: "m", layerIDs: [0], experts: 4, topK: 5) }
      == "top-5 of 4 experts; 1 to 4 are possible")
  #expect(
    sentence { _ = try RoutingShape(model: "m", layerIDs: [], experts: 4, topK: 1) }
      == "0 MoE layers; 1 to 65536 are possible")
  #expect(
    sentence { _ = try RoutingShape(model: "m", layerIDs: [1, 1], experts: 4, topK: 1) }
      == "layer ids must be distinct and not negative")
}
