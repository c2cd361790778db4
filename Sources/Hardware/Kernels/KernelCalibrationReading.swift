import Foundation
import StrictYAML

extension CatalogueEntry {
  /// One entry of `kernels`, as `switchyard calibrate` writes it.
  func kernelCalibration(
    _ devices: [Device], _ problems: ProblemCollector
  ) -> KernelCalibration? {
    let entry = reader(problems, "a kernel")
    let device = entry.deviceName(devices)
    let family = entry.reader.word("family", KernelFamily.self)
    let kernel = entry.reader.text("kernel", example: "vllm_flash_attn_fa3 bfloat16")
    let values = family.flatMap { entry.kernelTerms($0.terms) }
    let measured = family.flatMap { entry.measuredSizes($0.sizeNames) }
    if family == nil {
      _ = entry.reader.optional("terms")
      _ = entry.reader.optional("measured")
    }
    let fit = entry.kernelFit(of: family)
    entry.finish()
    guard let device, let family, let kernel, let values, let measured, let fit
    else { return nil }
    var calibration = KernelCalibration(
      name: name, device: device, family: family, kernel: kernel, values: values,
      measured: measured, fit: fit,
      citation: entry.facts(of: sources).first?.citation ?? "")
    calibration.precedence = precedence
    return calibration
  }
}

extension SourcedReader {
  fileprivate func deviceName(_ devices: [Device]) -> String? {
    guard let name = reader.text("device", example: "h100-sxm") else { return nil }
    guard devices.contains(where: { $0.name == name }) else {
      reader.problems.add(
        HardwareError.unknown(name, kind: "device", among: devices.map(\.name)).sentence,
        at: reader.place(ofValue: "device"))
      return nil
    }
    return name
  }

  /// A number for each of a law's terms, in the term's unit: `1.8e-06 s`, `0.93`.
  fileprivate func kernelTerms(_ terms: [KernelTerm]) -> [Double]? {
    guard let own = mapping("terms", context: "'terms'") else { return nil }
    let values = terms.compactMap { term -> Double? in
      guard let text = own.reader.text(term.key, example: term.written(term.start)) else {
        return nil
      }
      let parts = text.split(separator: " ").map(String.init)
      let unit = term.unit == "1" ? [] : [term.unit]
      guard let first = parts.first, let value = Double(first), Array(parts.dropFirst()) == unit
      else {
        reader.problems.add(
          "'\(term.key)' is '\(text)'; write it like '\(term.written(term.start))'",
          at: own.reader.place(ofValue: term.key))
        return nil
      }
      guard value.isFinite, value >= 0 else {
        reader.problems.add(
          "'\(term.key)' is \(text); it is 0 or more", at: own.reader.place(ofValue: term.key))
        return nil
      }
      return value
    }
    own.finish()
    return values.count == terms.count ? values : nil
  }

  /// `m: 1 to 32768` for each size; empty where the mapping is left out, nil where it is wrong.
  fileprivate func measuredSizes(_ names: [String]) -> [ClosedRange<Int>]? {
    guard let own = optionalMapping("measured", context: "'measured'") else { return [] }
    let ranges = names.compactMap { name -> ClosedRange<Int>? in
      guard let text = own.reader.text(name, example: "1 to 32768") else { return nil }
      let words = text.split(separator: " ")
      guard words.count == 3, words[1] == "to", let least = Int(words[0]),
        let most = Int(words[2]), 0 <= least, least <= most
      else {
        reader.problems.add(
          "'\(name)' is '\(text)'; write it like '1 to 32768'",
          at: own.reader.place(ofValue: name))
        return nil
      }
      return least...most
    }
    own.finish()
    return ranges.count == names.count ? ranges : nil
  }

  /// By the seconds that a decade begins with; empty where the mapping is left out.
  private func errorDecades() -> [KernelCalibration.Fit.Decade] {
    guard let own = optionalMapping("decades", context: "'decades'") else { return [] }
    let decades = own.reader.keys.compactMap { key -> KernelCalibration.Fit.Decade? in
      guard let decade = own.mapping(key, context: "'\(key)'") else { return nil }
      let rows = decade.integer("rows", in: 1...100_000_000)
      let errors = ["median", "ninetieth", "worst"].compactMap { decade.number($0, in: 0...1e6) }
      decade.finish()
      guard key.hasPrefix("1e"), let exponent = Int(key.dropFirst(2)), (-12...6).contains(exponent)
      else {
        reader.problems.add(
          "'\(key)' is no decade; write the seconds that it begins with, like '1e-5'",
          at: own.reader.location(of: key))
        return nil
      }
      guard let rows, errors.count == 3 else { return nil }
      return .init(
        exponent: exponent, rows: rows, median: errors[0], ninetieth: errors[1], worst: errors[2])
    }
    own.finish()
    return decades.sorted { $0.exponent < $1.exponent }
  }

  /// `not-told: passes, projection`; empty where it is left out, nil where it is wrong.
  private func untoldTerms(_ family: KernelFamily?) -> [String]? {
    guard let text = reader.optionalText("not-told") else { return [] }
    let keys = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    guard let known = family?.terms.map(\.key) else { return keys }
    guard let strange = keys.first(where: { !known.contains($0) }) else { return keys }
    reader.problems.add(
      "'\(strange)' is no term of such kernels; known here: \(known.joined(separator: ", "))",
      at: reader.place(ofValue: "not-told"))
    return nil
  }

  fileprivate func kernelFit(of family: KernelFamily?) -> KernelCalibration.Fit? {
    guard let own = mapping("fit", context: "'fit'") else { return nil }
    let date = own.reader.text("date", example: "2026-11-21")
    let rows = own.integer("rows", in: 1...100_000_000)
    let heldOut = own.integer("held-out", in: 0...100_000_000)
    let errors = ["median", "ninetieth", "worst", "held-out-median", "held-out-ninetieth"]
      .compactMap { own.number($0, in: 0...1e6) }
    let decades = own.errorDecades()
    let untold = own.untoldTerms(family)
    own.finish()
    guard let date, let rows, let heldOut, let untold, errors.count == 5 else { return nil }
    return KernelCalibration.Fit(
      date: date, rows: rows, median: errors[0], ninetieth: errors[1], worst: errors[2],
      heldOut: heldOut, heldOutMedian: errors[3], heldOutNinetieth: errors[4],
      decades: decades, untold: untold)
  }
}

extension KernelTerm {
  /// A value as the catalogue has it: five digits and the unit.
  public func written(_ value: Double) -> String {
    let number = fiveDigits(value)
    return unit == "1" ? number : "\(number) \(unit)"
  }
}

/// `1.8312e-06`; whole numbers and zero as they are.
private func fiveDigits(_ value: Double) -> String {
  guard value != 0, value.isFinite else { return "0" }
  var exponent = 0
  var mantissa = abs(value)
  while mantissa >= 10 {
    mantissa /= 10
    exponent += 1
  }
  while mantissa < 1 {
    mantissa *= 10
    exponent -= 1
  }
  let sign = value < 0 ? "-" : ""
  let digits = Int((mantissa * 10_000).rounded())
  // Shortest form of the rounded number, so that reading and writing it again changes nothing.
  return "\((Double("\(sign)\(digits)e\(exponent - 4)") ?? value))"
}
