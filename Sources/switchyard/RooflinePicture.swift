import Foundation
import Models
import Roofline
import Units

/// A roofline in SVG: operations a second over operations for each byte of the devices' memory, both
/// logarithmic. The slope is the memory's bandwidth, the flat part the arithmetic's peak, and the ridge
/// is where they meet; points are what work asks.
struct RooflinePicture {
  struct Point {
    var label: String
    var flops: FLOPs
    var memory: Bytes
    /// Operations over the bound's time.
    var rate: ComputeRate

    var intensity: Double { flops.value / memory.value }
  }

  let svg: String

  /// What a file begins with that may be replaced.
  static let start = "<svg"

  private static let size = 640.0
  private static let margin = 104.0
  /// About what a character of a label takes.
  private static let character = (width: 7.0, height: 14.0)

  /// - Parameters:
  ///   - precision: Of the roof's arithmetic.
  ///   - points: Labelled in this order where there is room.
  init(title: String, machine: Machine, precision: Precision, points: [Point]) {
    let points = points.filter { $0.memory > .zero && $0.flops > .zero }
    let peak = machine.peakRate(for: precision).value
    let bandwidth = machine.bandwidth(of: .memory).value
    let ridge = machine.ridgePoint(for: precision)
    let intensities = points.map(\.intensity) + [ridge]
    let rates = points.map(\.rate.value) + [peak]
    let axes = Axes(
      x: Self.decades(intensities), y: Self.decades(rates), size: Self.size, margin: Self.margin)
    let (least, most) = (pow(10, axes.x.lowerBound), pow(10, axes.x.upperBound))
    var lines = axes.frame(title: Self.escaped(title))
    // The slope begins at the picture's left or bottom edge, whichever it meets.
    let start = max(least, pow(10, axes.y.lowerBound) / bandwidth)
    lines += [
      "<path d=\"M\(axes.point(start, start * bandwidth))L\(axes.point(ridge, peak))"
        + "L\(axes.point(most, peak))\" fill=\"none\" stroke=\"#444\" stroke-width=\"2\"/>",
      "<path d=\"M\(axes.point(ridge, peak))V\(axes.bottom)\" stroke=\"#444\" "
        + "stroke-dasharray=\"4 4\"/>",
      "<text x=\"\(axes.number(axes.x(ridge) + 4))\" y=\"\(axes.number(axes.base - 6))\">ridge "
        + "\(fourDigits(ridge)) FLOP/B</text>",
      "<text x=\"\(axes.number(axes.right))\" y=\"\(axes.number(axes.y(peak) - 8))\" "
        + "text-anchor=\"end\">\(ComputeRate(peak)) \(precision.rawValue), "
        + "\(Bandwidth(bandwidth))</text>",
    ]
    var labelled: [(x: Double, y: Double, width: Double)] = []
    for point in points {
      let (x, y) = (axes.x(point.intensity), axes.y(point.rate.value))
      lines.append(
        "<circle cx=\"\(axes.number(x))\" cy=\"\(axes.number(y))\" r=\"3\" fill=\"#4477aa\"/>")
      let width = Double(point.label.count + 1) * Self.character.width
      let isFree = !labelled.contains {
        x < $0.x + $0.width && $0.x < x + width && abs($0.y - y) < Self.character.height
      }
      guard isFree else { continue }
      labelled.append((x, y, width))
      lines.append(
        "<text x=\"\(axes.number(x + 6))\" y=\"\(axes.number(y + 14))\" fill=\"#4477aa\">"
          + "\(Self.escaped(point.label))</text>")
    }
    svg = (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  /// Whole powers of ten around all values, at least one decade.
  private static func decades(_ values: [Double]) -> ClosedRange<Double> {
    let least = log10(values.min() ?? 1).rounded(.down)
    return least...max(least + 1, log10(values.max() ?? 10).rounded(.up) + 0.3)
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}

/// Two logarithmic axes of a square picture.
private struct Axes {
  /// Powers of ten.
  var x: ClosedRange<Double>
  var y: ClosedRange<Double>
  var size: Double
  var margin: Double

  var base: Double { size - margin }
  var right: Double { size - margin }
  var bottom: String { number(base) }

  func x(_ value: Double) -> Double {
    margin + (log10(value) - x.lowerBound) / (x.upperBound - x.lowerBound) * (size - 2 * margin)
  }

  func y(_ value: Double) -> Double {
    base - (log10(value) - y.lowerBound) / (y.upperBound - y.lowerBound) * (size - 2 * margin)
  }

  func point(_ x: Double, _ y: Double) -> String { "\(number(self.x(x))) \(number(self.y(y)))" }

  func number(_ value: Double) -> String { fixed(value, decimals: 1) }

  func frame(title: String) -> [String] {
    let middle = Int(size / 2)
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(size)) \(Int(size))\""
        + " font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      "<text x=\"14\" y=\"24\" font-size=\"14\">\(title)</text>",
      "<text x=\"\(middle)\" y=\"\(Int(size) - 14)\" text-anchor=\"middle\">"
        + "FLOPs for each byte of device memory</text>",
      "<text x=\"18\" y=\"\(middle)\" text-anchor=\"middle\" "
        + "transform=\"rotate(-90 18 \(middle))\">FLOP/s at the bound</text>",
    ]
    var power = x.lowerBound
    while power <= x.upperBound {
      let place = number(x(pow(10, power)))
      lines += [
        "<path d=\"M\(place) \(number(margin))V\(bottom)\" stroke=\"#ddd\"/>",
        "<text x=\"\(place)\" y=\"\(number(base + 18))\" text-anchor=\"middle\">"
          + "\(fourDigits(pow(10, power)))</text>",
      ]
      power += 1
    }
    power = y.lowerBound
    while power <= y.upperBound {
      let place = number(y(pow(10, power)))
      lines += [
        "<path d=\"M\(number(margin)) \(place)H\(number(right))\" stroke=\"#ddd\"/>",
        "<text x=\"\(number(margin - 6))\" y=\"\(place)\" text-anchor=\"end\">"
          + "\(ComputeRate(pow(10, power)))</text>",
      ]
      power += 1
    }
    return lines
  }
}
