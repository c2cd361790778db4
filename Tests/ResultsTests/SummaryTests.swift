import Foundation
import Testing
import Units

@testable import Results

@Suite("Summaries")
struct SummaryTests {
  @Test("Columns align, numbers to the right, and no line ends in a space")
  func table() {
    var table = TextTable([.left("stage"), .right("time"), .left("")], indent: 1)
    table.add("attention", "2 s")
    table.add("gate", "12.5 us", "x", "dropped")
    #expect(
      table.lines == [
        " stage         time",
        " attention      2 s",
        " gate       12.5 us  x",
      ])
  }

  @Test("The text says what was asked for, in at most 100 columns")
  func text() throws {
    var result = try exampleResult()
    result.description.traceIsSynthetic = true
    let text = result.summaryText(allLayers: true)
    for line in text.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    for words in [
      "4000000 tokens/s, 2000000 tokens/s per device", "waiting", "bound by", "worst layer",
      "gpu 0 HBM", "idle power", "synthetic trace", "uncalibrated", "15.0 %", "1.55", "4.5 uJ",
      "hottest links", "  computed away from their holders     5.0",
      "  share                             40.0 %",
    ] { #expect(text.contains(words), "\(words) in\n\(text)") }
  }

  @Test("JSON is the same on every run, sorted, and reads back as what was written")
  func json() throws {
    let summary = RunSummary(try exampleResult())
    let json = try summary.json()
    #expect(try RunSummary(try exampleResult()).json() == json)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    #expect(try decoder.decode(RunSummary.self, from: Data(json.utf8)) == summary)
    for key in [
      "\"tokens_per_second\"", "\"mean_device_seconds_per_iteration\"", "\"percentile99_seconds\"",
      "\"energy_joules_per_token\"", "\"experts_found\" : 4",
    ] { #expect(json.contains(key), "\(key) in\n\(json)") }
  }
}
