import Testing

@Suite("A mistake in a policy")
struct PolicyMistakeTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private func expect(
    _ policy: String, _ sentences: String..., at place: SourceLocation = #_sourceLocation
  ) throws {
    let found = try folder.problems(replacing: ["placement: contiguous": policy])
    #expect(found == sentences, sourceLocation: place)
  }

  @Test("a slot or a kind that does not exist")
  func unknown() throws {
    try expect(
      "placements: contiguous",
      "scenario.yaml:12:3: unknown key 'placements'; did you mean 'placement'?")
    try expect(
      "placement: contigous",
      "scenario.yaml:12:14: 'contigous' is not a value of 'placement'; did you mean 'contiguous'?")
    try expect(
      "batching: dynamic",
      "scenario.yaml:12:13: 'dynamic' is not a value of 'batching'; "
        + "one of: static, continuous, prompts-first, together")
    try expect(
      "execution: {kind: nowhere}",
      "scenario.yaml:12:21: 'nowhere' is not a value of 'execution'; one of: resident, fetch, "
        + "companion, fastest, split, streamed, blocks")
    try expect(
      "routing: recorded",
      "scenario.yaml:12:12: 'recorded' is not a value of 'routing'; "
        + "one of: as-recorded, uniform")
  }

  @Test("neither a word nor a mapping with a kind")
  func wrongKinds() throws {
    try expect(
      "placement: [contiguous]",
      "scenario.yaml:12:14: 'placement' is a word (contiguous, round-robin, file, eplb, random, search) or a mapping "
        + "with 'kind', not a sequence")
    try expect(
      "placement: {redundant: 8}",
      "scenario.yaml:12:14: 'kind' is missing; write it like 'kind: contiguous'")
  }

  @Test("an option that the kind does not read, or that changes nothing")
  func withoutEffect() throws {
    try expect(
      "placement: {kind: contiguous, path: mine.yaml}",
      "scenario.yaml:12:33: 'path' has no effect with kind 'contiguous'; it is for kind 'file'")
    try expect("placement: {kind: round-robin, redundant: 0}")
    try expect(
      "batching: {kind: static, chunk: 512}",
      "scenario.yaml:12:28: unknown key 'chunk'; known here: kind, microbatches, streams")
    try expect(
      "communication: {kind: flat, model: stay}",
      "scenario.yaml:12:38: 'stay' is not a value of 'model'; one of: home, transition")
    try expect("communication: {kind: flat, model: transition}")
    try expect(
      "communication: {kind: hierarchical, model: transition}",
      "scenario.yaml:12:46: with 'model: transition' tokens go from device to device by themselves; use "
        + "kind 'flat' without chunks")
    try expect(
      "communication: {kind: flat, dispatch: fp9}",
      "scenario.yaml:12:41: 'fp9' is not a value of 'dispatch'; did you mean 'fp8'?")
  }

  @Test("a choice among copies that are not there, or that no run can make")
  func replicaChoices() throws {
    try expect("placement: {kind: round-robin, redundant: 8, replica-choice: nearest}")
    try expect(
      "placement: {kind: round-robin, replica-choice: nearest}",
      "scenario.yaml:12:50: 'replica-choice' has no effect: no expert has copies to choose among; say "
        + "how many with 'redundant'")
    try expect(
      "placement: {kind: eplb, redundant: 8, replica-choice: near}",
      "scenario.yaml:12:57: 'near' is not a value of 'replica-choice'; one of: even, nearest, least-loaded"
    )
    try expect(
      "placement: {kind: eplb, redundant: 8, replica-choice: least-loaded}",
      "scenario.yaml:12:57: copies cannot be taken by load in a run, where each rank's copy is fixed "
        + "beforehand: use 'even' or 'nearest'")
    try folder.write(
      "mine.yaml",
      "placement: 1\nmodel: tiny\ngroups: 8\nlayers:\n"
        + String(repeating: "  - [0, 1, 2, 3, 4, 5, 6, 7]\n", count: 3))
    try expect(
      "placement: {kind: file, path: mine.yaml, replica-choice: nearest}",
      "scenario.yaml:12:60: 'replica-choice' has no effect: no expert of the placement file has copies "
        + "to choose among")
  }

  @Test("nearest copies are placed anew only where they are estimated")
  func nearestAnew() throws {
    let placement = "{kind: eplb, redundant: 8, every: 2 iterations, replica-choice: nearest}"
    #expect(
      try folder.problems(replacing: ["placement: contiguous": "placement: \(placement)"]) == [])
    #expect(
      try folder.problems(replacing: [
        "placement: contiguous":
          "placement: \(placement)\n  communication: {kind: flat, model: transition}"
      ]) == [
        "scenario.yaml:12:78: with 'every' the nearest copies are estimated for tokens that return to "
          + "devices with experts of their own only: use 'even'"
      ])
  }

  @Test("a placement that cannot be")
  func impossiblePlacements() throws {
    try expect(
      "placement: {kind: contiguous, redundant: 8}",
      "scenario.yaml:12:44: 16 copies in a row on 8 expert groups put expert 0 twice on group 0; "
        + "take another number of them, another kind of placement, or a file")
    try expect(
      "placement: {kind: round-robin, redundant: 57}",
      "scenario.yaml:12:45: 57 redundant experts in a layer; 0 to 56 are possible here")
    #expect(
      try folder.problems(replacing: [
        "1 x dgx-h100": "2 x dgx-h100", "{data: 8}": "{data: 16}", "{expert: 8}": "{expert: 16}",
      ]) == [
        "scenario.yaml:6:47: 8 experts in a layer leave some of 16 expert groups without any; "
          + "slice experts (parallelism.experts.tensor), add redundant ones, or give a placement "
          + "file"
      ])
  }

  @Test("a placement file that is missing, or for something else")
  func placementFiles() throws {
    try expect(
      "placement: file",
      "scenario.yaml:12:14: placement 'file' names no file; write it like 'file:mine.yaml'")
    try expect(
      "placement: 'file:'",
      "scenario.yaml:12:14: 'file:' names no file; write it like 'file:mine.yaml'")
    try expect(
      "placement: {kind: file}",
      "scenario.yaml:12:14: 'path' is missing; write it like 'path: mine.yaml'")
    try expect(
      "placement: file:none.yaml",
      "scenario.yaml:12:14: the placement 'none.yaml' cannot be read: no such file")
    try folder.write(
      "mine.yaml",
      "placement: 1\nmodel: other\ngroups: 4\nlayers:\n  - [0, 1, 2, 3, 4, 5, 6, 8]\n")
    try expect(
      "placement: file:mine.yaml",
      "mine.yaml:2:1: the placement is for 'other'; the scenario's model is 'tiny'",
      "mine.yaml:3:1: the placement is for 4 expert groups; the scenario has 8")
    try folder.write(
      "mine.yaml",
      "placement: 1\nmodel: tiny\ngroups: 8\nlayers:\n  - [0, 1, 2, 3, 4, 5, 6, 8]\n")
    try expect(
      "placement: file:mine.yaml",
      "mine.yaml:4:1: the placement has 1 layers; the model has 3 MoE layers",
      "mine.yaml:5:27: 'group of expert 7' is 8; it must be from 0 to 7")
  }
}
