import Engine
import Foundation
import Testing
import Units

@testable import Results

/// A protobuf message read back: the fields in order, numbers and bytes.
private struct Message {
  var numbers: [UInt64: UInt64] = [:]
  var fields: [(UInt64, [UInt8])] = []

  init(_ bytes: [UInt8]) {
    var position = 0
    func varint() -> UInt64 {
      var (value, shift) = (UInt64(0), UInt64(0))
      while position < bytes.count {
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7f) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      return value
    }
    while position < bytes.count {
      let key = varint()
      if key & 7 == 0 {
        numbers[key >> 3] = varint()
      } else {
        let count = Int(varint())
        fields.append((key >> 3, Array(bytes[position..<position + count])))
        position += count
      }
    }
  }

  func messages(_ field: UInt64) -> [Message] {
    fields.filter { $0.0 == field }.map { Message($0.1) }
  }
  func text(_ field: UInt64) -> String? {
    fields.first { $0.0 == field }.map { String(decoding: $0.1, as: UTF8.self) }
  }
}

private struct Slice: Equatable {
  var track: String
  var name: String
  var start: UInt64
  var end: UInt64
}

/// The slices of a trace by track, in the order of the file; asserts that none overlap.
private func slices(_ path: String) throws -> [Slice] {
  var names: [UInt64: String] = [:]
  var tracks: [UInt64: String] = [:]
  var open: [UInt64: Slice] = [:]
  var ends: [UInt64: UInt64] = [:]
  var slices: [Slice] = []
  for packet in Message(Array(try bytes(of: path))).messages(1) {
    for track in packet.messages(60) {
      let uuid = try #require(track.numbers[1])
      #expect(tracks[uuid] == nil)
      let parent = tracks[track.numbers[5] ?? 0].map { $0 + "/" } ?? ""
      tracks[uuid] = parent + (track.text(2) ?? "")
    }
    for interned in packet.messages(12).flatMap({ $0.messages(2) }) {
      names[interned.numbers[1] ?? 0] = interned.text(2)
    }
    for event in packet.messages(11) {
      let uuid = try #require(event.numbers[11])
      let time = try #require(packet.numbers[8])
      if event.numbers[9] == 1 {
        #expect(open[uuid] == nil)
        #expect(time >= ends[uuid] ?? 0)  // nothing overlaps on a track
        let name = event.text(23) ?? names[event.numbers[10] ?? 0] ?? "?"
        open[uuid] = Slice(track: try #require(tracks[uuid]), name: name, start: time, end: time)
      } else {
        var slice = try #require(open.removeValue(forKey: uuid))
        #expect(time >= slice.start)
        slice.end = time
        ends[uuid] = time
        slices.append(slice)
      }
    }
  }
  #expect(open.isEmpty)
  return slices
}

@Suite("The timeline")
struct TimelineTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("Read back, slices stand on their streams' tracks with nanoseconds rounded down")
  func parseBack() throws {
    let path = directory.file("timeline.pftrace")
    try exampleResult(spans: .firstIterations(1)).writeTimeline(to: path)
    let slices = try slices(path)
    let run = "an example"
    #expect(
      slices == [
        Slice(track: "\(run)/iterations", name: "iteration 0", start: 0, end: 1000),
        Slice(track: "\(run)/iterations", name: "iteration 1", start: 1000, end: 2000),
        // By start, then in the order in which they ended.
        Slice(track: "\(run)/device 1/compute", name: "attention, layer 0", start: 0, end: 200),
        Slice(track: "\(run)/device 0/compute", name: "attention, layer 0", start: 0, end: 300),
        Slice(track: "\(run)/exchanges", name: "dispatch, layer 1", start: 300, end: 500),
        Slice(track: "\(run)/device 0/compute", name: "experts, layer 1", start: 500, end: 800),
        Slice(track: "\(run)/device 1/compute", name: "experts, layer 1", start: 500, end: 1000),
      ])
  }

  @Test("Overlapping spans of one stream go to tracks of their own; none is lost")
  func lanes() throws {
    var random = SplitMix(state: 5)
    var result = try exampleResult()
    result.spans = (0..<500).map { _ in
      let start = Int64(random.below(1_000_000))
      let stage = UInt8(random.below(5))
      return TaskSpan(
        start: SimTime(picoseconds: start),
        end: SimTime(picoseconds: start + Int64(random.below(9_000))),
        label: TaskLabel(
          stage: stage, layer: Int(random.below(2)), device: Int(random.below(3)) - 1),
        iteration: 0)
    }
    let path = directory.file("timeline.pftrace")
    try result.writeTimeline(to: path)
    let slices = try slices(path)  // asserts no overlap
    #expect(slices.count == 502)
    #expect(slices.contains { $0.track.hasSuffix("device 0/compute 2") })
    let expected = result.spans.reduce(UInt64(0)) {
      $0 + UInt64($1.end.picoseconds / 1000 - $1.start.picoseconds / 1000)
    }
    #expect(slices.dropFirst(2).reduce(0) { $0 + $1.end - $1.start } == expected)
  }
}
