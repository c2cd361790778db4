import Foundation
import Testing

@testable import Traces

/// Imports text written to a file of that name; 8 experts.
private func importing(
  _ text: String, named name: String, format: ImportFormat? = nil, experts: Int? = 8
) throws -> RoutingTrace {
  try importing(Data(text.utf8), named: name, format: format, experts: experts)
}

private func importing(
  _ data: Data, named name: String, format: ImportFormat? = nil, experts: Int? = 8,
  phase: TokenPhase? = nil
) throws -> RoutingTrace {
  try withTemporaryFolder { folder in
    let file = folder + "/" + name
    try data.write(to: URL(fileURLWithPath: file))
    var options = ImportOptions()
    options.experts = experts
    let isArray = name.hasSuffix(".npy") || name.hasSuffix(".npz")
    options.phase = isArray ? phase : nil
    let mayHaveGates = name.hasSuffix(".jsonl") || format == .jsonl || format == .gptOSSExamples
    options.gateFormat = mayHaveGates ? .float32 : .none
    do {
      return try imported(file, as: format, options: options)
    } catch let error as TraceError {
      throw Sentence(text: error.sentence.replacingOccurrences(of: folder + "/", with: ""))
    }
  }
}

private struct Sentence: Error { let text: String }

private func importSentence(_ body: () throws -> RoutingTrace) -> String? {
  do {
    _ = try body()
    return nil
  } catch let error as Sentence {
    return error.text
  } catch {
    return "another error: \(error)"
  }
}

private func allSelections(_ trace: RoutingTrace) -> [[[Int]]] {
  (0..<trace.tokens).map { token in
    (0..<trace.shape.layers).map { trace.selections(token: token, layer: $0) }
  }
}

private let csv = """
  request,phase,token,layer,e0,e1
  a,prefill,0,3,1,2
  a,prefill,0,5,7,0
  a,decode,1,3,4,5
  a,decode,1,5,6,7
  b,decode,0,3,0,1
  b,decode,0,5,2,3

  """

/// What `csv` and its like say.
private func isTheSmallTrace(_ trace: RoutingTrace) -> Bool {
  trace.shape.layerIDs == [3, 5] && trace.shape.topK == 2 && trace.shape.experts == 8
    && allSelections(trace) == [[[1, 2], [7, 0]], [[4, 5], [6, 7]], [[0, 1], [2, 3]]]
    && trace.sequences.map(\.name) == ["a", "b"]
    && trace.sequences.map(\.prefillTokens) == [1, 0]
    && trace.sequences.map(\.decodeTokens) == [1, 1]
}

@Test func aTokenCSVIsRead() throws {
  #expect(isTheSmallTrace(try importing(csv, named: "t.csv")))
  let carriageReturns = csv.replacingOccurrences(of: "\n", with: "\r\n")
  #expect(isTheSmallTrace(try importing(carriageReturns, named: "t.csv")))
}

@Test(arguments: [
  (3, "a,prefill,0,5,7", "t.csv:3: after the layer should be 2 experts, as whole numbers"),
  (3, "a,prefill,0,5,7,0,1", "t.csv:3: the row goes on after its 2 experts"),
  (3, "a,prefill,0,5,7,8", "t.csv:3: expert 8 is out of range; the model has experts 0 to 7"),
  (3, "a,prefill,0,5,7,-1", "t.csv:3: after the layer should be 2 experts, as whole numbers"),
  (3, "a,prompt,0,5,7,0", "t.csv:3: the phase must be prefill or decode"),
  (3, "a", "t.csv:3: after the request should be a comma and the phase"),
  (3, "a,prefill,x,5,7,0", "t.csv:3: after the phase should be two whole numbers, token and layer"),
  (3, "a,prefill,0,3,7,0", "t.csv:3: layer 3 of token 0 is there twice"),
  (4, "a,decode,2,3,4,5", "t.csv:4: token 2 stands where token 1 should be"),
  (5, "a,decode,1,4,6,7", "t.csv:5: layer 4 stands where layer 5 should be"),
  (5, "a,decode,2,3,6,7", "t.csv:5: token 1 has 1 layers, the tokens before 2"),
  (6, "a,prefill,2,3,0,1", "t.csv:6: a prefill token comes after decode tokens"),
  (
    1, "token,layer,e0",
    "t.csv:1: the columns must be request,phase,token,layer,e0,e1,... and so on up to top-k"
  ),
])
func aWrongCSVLineIsNamedWithItsNumber(line: Int, replacement: String, expected: String) {
  var lines = csv.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  lines[line - 1] = replacement
  let text = lines.joined(separator: "\n")
  #expect(importSentence { try importing(text, named: "t.csv", format: .csv) } == expected)
}

@Test func aCSVWithoutRowsHasNoTokens() {
  #expect(
    importSentence { try importing("request,phase,token,layer,e0,e1\n", named: "t.csv") }
      == "t.csv: holds no tokens; a trace needs at least one")
  #expect(importSentence { try importing("", named: "t.csv") } == "t.csv: the file is empty")
}

@Test func whatTheFormatDoesNotSayIsAskedFor() {
  #expect(
    importSentence { try importing(csv, named: "t.csv", experts: nil) }
      == "t.csv: the format does not say how many experts a layer of the model has; "
      + "say it with --experts N")
}

@Test func whatIsNotRecognisedIsSaidSo() {
  #expect(
    importSentence { try importing("hello\n", named: "t.dat") }
      == "t.dat: the format is not recognised; name it with --format, one of uint8, npy, npz, csv, "
      + "jsonl, expert-selections, moe-beyond, gpt-oss-examples, tensor-log")
}

@Test func jsonLinesAreReadByLayerAndByToken() throws {
  let byLayer = """
    {"request": "a", "phase": "prefill", "token": 0, "layer": 3, "experts": [1, 2]}
    {"request": "a", "phase": "prefill", "token": 0, "layer": 5, "experts": [7, 0]}
    {"request":"a","phase":"decode","token":1,"layer":3,"experts":[4,5],"note":{"x":[null,1.5e3]}}
    {"request": "a", "phase": "decode", "token": 1, "layer": 5, "experts": [6, 7]}
    {"request": "b", "phase": "decode", "token": 0, "layer": 3, "experts": [0, 1]}
    {"request": "b", "phase": "decode", "token": 0, "layer": 5, "experts": [2, 3]}
    """
  #expect(isTheSmallTrace(try importing(byLayer, named: "t.jsonl")))
  let byToken = """
    {"layers":[3,5],"experts":[[1,2],[7,0]],"request":"a","phase":"prefill","token":0}
    {"layers":[3,5],"experts":[[4,5],[6,7]],"request":"a","phase":"decode","token":1}
    {"layers":[3,5],"experts":[[0,1],[2,3]],"request":"b","phase":"decode","token":0}
    """
  #expect(isTheSmallTrace(try importing(byToken, named: "t.jsonl")))
}

@Test func gateWeightsOfJSONLinesAreKept() throws {
  let text = """
    {"request":1,"phase":"decode","token":0,"experts":[[1,2],[7,0]],"weights":[[0.75,0.25],[1,0]]}
    """
  let trace = try importing(text, named: "t.jsonl")
  #expect(trace.gateWeights(token: 0, layer: 0) == [0.75, 0.25])
  #expect(trace.shape.layerIDs == [0, 1] && trace.sequences[0].name == "1")
}

@Test(arguments: [
  ("{\"request\":\"a\"}", "t.jsonl:1: a line needs the keys request, phase, token and experts"),
  ("\n{\"request\":\"a\",}", "t.jsonl:2: here should be a text in quotes"),
  ("{\"request\":\"a", "t.jsonl:1: the text ends where the quote that ends a text should be"),
  (
    "{\"experts\":[1.5]}", "t.jsonl:1: here should be a whole number from 0 to 2147483647"
  ),
  (
    "{\"request\":\"a\",\"phase\":\"x\"}", "t.jsonl:1: here should be the phase prefill or decode"
  ),
  (
    "{\"x\":" + String(repeating: "[", count: 10_000),
    "t.jsonl:1: lists and objects are nested more than 64 deep"
  ),
])
func aWrongJSONLineIsNamedWithItsNumber(text: String, expected: String) {
  #expect(importSentence { try importing(text, named: "t.jsonl") } == expected)
}

@Test func expertSelectionsOfARequestAreRead() throws {
  // Layer 0 is dense. Element 0 is the prefill of two tokens, then two decode steps.
  let text = """
    [{"0": null, "1": {"selected_experts": [[1, 2], [3, 4]]}, "2": {"selected_experts": [[5, 6], [7, 0]]}},
     {"0": null, "1": {"selected_experts": [[0, 1]]}, "2": {"selected_experts": [[2, 3]]}},
     {"0": null, "1": [[4, 5]], "2": [[6, 7]]}]
    """
  let trace = try importing(text, named: "r.json")
  #expect(trace.shape.layerIDs == [1, 2])
  #expect(
    allSelections(trace)
      == [[[1, 2], [5, 6]], [[3, 4], [7, 0]], [[0, 1], [2, 3]], [[4, 5], [6, 7]]])
  #expect(trace.sequences[0].prefillTokens == 2 && trace.sequences[0].decodeTokens == 2)
}

@Test func expertSelectionsThatDoNotFitTogetherAreRefused() {
  #expect(
    importSentence { try importing("[{\"1\": [[1, 2], [3]]}]", named: "r.json") }
      == "r.json:1: here should be rows of equal length")
  #expect(
    importSentence { try importing("[{\"1\": [[1]]},\n{\"2\": [[1]]}]", named: "r.json") }
      == "r.json:2: this step has other layers or top-k than the first")
  #expect(
    importSentence { try importing("[{\"1\": [[9]]}]", named: "r.json") }
      == "r.json: expert 9 at token 0, layer 0 is out of range; the model has experts 0 to 7")
  #expect(
    importSentence { try importing("[{\"1\": null}]", named: "r.json") }
      == "r.json: holds no tokens; a trace needs at least one")
}

@Test func aPrintedTensorLogIsReadWithItsTurns() throws {
  let tensor = { (layer: Int, rows: String) in
    "input_ids: tensor([[1, 2]],\n  device='cuda:0') \n"
      + "Layer \(layer) topk_ids: tensor([\(rows)], device='cuda:0', dtype=torch.int32)\n"
  }
  let text =
    tensor(0, "[1, 2],\n        [3, 4]") + tensor(1, "[5, 6],\n        [7, 0]")
    + tensor(0, "[0, 1]")
    + tensor(1, "[2, 3]") + tensor(0, "[1, 2], [3, 4]") + tensor(1, "[5, 6], [7, 0]")
  let trace = try importing(text, named: "x.txt")
  #expect(trace.sequences.map(\.name) == ["x.txt#0", "x.txt#1"])
  #expect(trace.sequences.map(\.prefillTokens) == [2, 2])
  #expect(trace.sequences.map(\.decodeTokens) == [1, 0])
  #expect(trace.selections(token: 1, layer: 1) == [7, 0])
  #expect(
    importSentence { try importing(tensor(0, "[1, 2], ..., [1, 2]"), named: "x.txt") }
      == "x.txt:3: the tensor was abbreviated ('...') when it was printed")
}

// MARK: - NumPy

private func npy(_ type: String, _ shape: String, _ bytes: [UInt8], order: String = "False") -> Data
{
  let header =
    "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }"
    .padding(toLength: 117, withPad: " ", startingAt: 0) + "\n"
  return Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8) + bytes)
}

@Test func numPyIntegersOfEveryWidthAreRead() throws {
  let ids = [1, 2, 7, 0, 4, 5, 6, 7]
  for (type, size) in [
    ("|u1", 1), ("<i2", 2), (">i2", 2), ("<u4", 4), ("<i4", 4), ("<i8", 8), (">u8", 8),
  ] {
    let bytes = ids.flatMap { id -> [UInt8] in
      let little = (0..<size).map { $0 == 0 ? UInt8(id) : 0 }
      return type.first == ">" ? little.reversed() : little
    }
    let trace = try importing(npy(type, "(2, 2, 2)", bytes), named: "t.npy", phase: .decode)
    #expect(allSelections(trace) == [[[1, 2], [7, 0]], [[4, 5], [6, 7]]], "\(type)")
    #expect(trace.sequences[0].decodeTokens == 2)
  }
}

@Test func fourDimensionsAreSeveralSequences() throws {
  let trace = try importing(
    npy("|u1", "(2, 1, 2, 2)", [1, 2, 7, 0, 4, 5, 6, 7]), named: "prefill.npy")
  #expect(trace.sequences.map(\.name) == ["prefill.npy[0]", "prefill.npy[1]"])
  #expect(trace.sequences.map(\.prefillTokens) == [1, 1])
}

@Test func aNumPyArrayThatIsNoTraceIsRefused() {
  let refusal = { (data: Data) in
    importSentence { try importing(data, named: "t.npy", phase: .decode) }
  }
  #expect(
    refusal(npy("<f4", "(1, 1, 1)", [0, 0, 0, 0]))
      == "t.npy: the array has type '<f4'; expert ids are integers")
  #expect(
    refusal(npy("|u1", "(1, 1)", [0]))
      == "t.npy: the array has shape (1, 1); [tokens, layers, top-k] or "
      + "[sequences, tokens, layers, top-k] is needed")
  #expect(
    refusal(npy("|u1", "(1, 1, 1)", [0], order: "True"))
      == "t.npy: the array is in Fortran order; save numpy.ascontiguousarray(it)")
  #expect(
    refusal(npy("<i8", "(1, 1, 2)", [0, 0]))
      == "t.npy: the trace is truncated: 144 bytes are needed, the file has 130")
  #expect(
    refusal(npy("<i8", "(4294967296, 4294967296, 2)", [0]))
      == "t.npy: the array has the impossible shape (4294967296, 4294967296, 2)")
  #expect(
    refusal(npy("|i1", "(1, 1, 2)", [1, 255]))
      == "t.npy: expert -1 at token 0, layer 0 is out of range; the model has experts 0 to 7")
  #expect(
    refusal(Data([1, 2, 3])) == "t.npy: not a NumPy array: the first bytes are not \\x93NUMPY")
  #expect(
    refusal(npy("|u1", "(0, 1, 1)", [])) == "t.npy: holds no tokens; a trace needs at least one")
  #expect(
    importSentence { try importing(npy("|u1", "(1, 1, 1)", [0]), named: "t.npy") }
      == "t.npy: the format does not say whether its tokens are prefill or decode; "
      + "say it with --phase prefill or --phase decode")
}

/// Two arrays as `numpy.savez_compressed` (2.4.6) wrote them: prompt_routed_experts, uint8
/// [[[1, 2], [7, 0]]], and routed_experts, int16 [[[4, 5], [6, 7]]].
private let compressedArchive = """
  UEsDBC0AAAAIAAAAIQCLpvI0//////////8ZABQAcHJvbXB0X3JvdXRlZF9leHBlcnRzLm5weQEAEACEAAAAAAAA\
  AEwAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvka\
  hjoKRkCkqaNQq0Ae4GJkYmcAAFBLAwQtAAAACAAAACEACC9Cz///////////EgAUAHJvdXRlZF9leHBlcnRzLm5w\
  eQEAEACIAAAAAAAAAFAAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNppK6joJ6WX1RSlJgXn1+UkgoSd0vM\
  KU4FihdnJBakAvkahjoKRkCkqaNQq0Ae4GJhYGVgY2BnAABQSwECLQMtAAAACAAAACEAi6byNEwAAACEAAAAGQAA\
  AAAAAAAAAAAAgAEAAAAAcHJvbXB0X3JvdXRlZF9leHBlcnRzLm5weVBLAQItAy0AAAAIAAAAIQAIL0LPUAAAAIgA\
  AAASAAAAAAAAAAAAAACAAZcAAAByb3V0ZWRfZXhwZXJ0cy5ucHlQSwUGAAAAAAIAAgCHAAAAKwEAAAAA
  """

/// The same as `numpy.savez` wrote them.
private let storedArchive = """
  UEsDBC0AAAAAAAAAIQCLpvI0//////////8ZABQAcHJvbXB0X3JvdXRlZF9leHBlcnRzLm5weQEAEACEAAAAAAAA\
  AIQAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBl\
  JzogKDEsIDIsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg\
  ICAgIAoBAgcAUEsDBC0AAAAAAAAAIQAIL0LP//////////8SABQAcm91dGVkX2V4cGVydHMubnB5AQAQAIgAAAAA\
  AAAAiAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8aTInLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hh\
  cGUnOiAoMSwgMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg\
  ICAgICAgCgQABQAGAAcAUEsBAi0DLQAAAAAAAAAhAIum8jSEAAAAhAAAABkAAAAAAAAAAAAAAIABAAAAAHByb21w\
  dF9yb3V0ZWRfZXhwZXJ0cy5ucHlQSwECLQMtAAAAAAAAACEACC9Cz4gAAACIAAAAEgAAAAAAAAAAAAAAgAHPAAAA\
  cm91dGVkX2V4cGVydHMubnB5UEsFBgAAAAACAAIAhwAAAJsBAAAAAA==
  """

@Test func compressedAndStoredArchivesAreRead() throws {
  for archive in [compressedArchive, storedArchive] {
    let data = try #require(Data(base64Encoded: archive))
    let trace = try importing(data, named: "t.npz")
    #expect(allSelections(trace) == [[[1, 2], [7, 0]], [[4, 5], [6, 7]]])
    #expect(trace.sequences.map(\.prefillTokens) == [1])
    #expect(trace.sequences.map(\.decodeTokens) == [1])
  }
}

@Test func aDamagedArchiveIsRefusedWhereverItIsDamaged() throws {
  let whole = [UInt8](try #require(Data(base64Encoded: compressedArchive)))
  for count in stride(from: 1, to: whole.count, by: 7) {
    #expect(
      importSentence { try importing(Data(whole[..<count]), named: "t.npz") } != nil, "\(count)")
  }
  // The first compressed byte of the first entry lies after its header of 30 bytes, its name and 20
  // bytes of ZIP64 sizes.
  var changed = whole
  changed[30 + "prompt_routed_experts.npy".utf8.count + 20 + 10] ^= 0x55
  let found = importSentence { try importing(Data(changed), named: "t.npz") } ?? ""
  #expect(found.hasPrefix("t.npz: prompt_routed_experts.npy: its "))
}

@Test func anImportOptionWithoutEffectIsRefused() throws {
  try withTemporaryFolder { folder in
    let input = "\(folder)/a.csv"
    try "request,phase,token,layer,e0\na,decode,0,0,1\n".write(
      toFile: input, atomically: true, encoding: .utf8)
    var options = ImportOptions()
    options.experts = 4
    options.phase = .prefill
    let phase = sentence { try importTrace(from: input, to: "\(folder)/b", options: options) }
    #expect(
      phase == "--phase has no effect on the format csv, which says it itself or has none")
    options.phase = nil
    options.gateFormat = .float16
    let gates = sentence { try importTrace(from: input, to: "\(folder)/b", options: options) }
    #expect(
      gates == "--gate-weights has no effect on the format csv, which says it itself or has none")
  }
}
