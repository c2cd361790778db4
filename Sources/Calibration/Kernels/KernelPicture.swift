import Foundation
import Hardware
import Units

/// A picture of measured against predicted times: a point for each row, on logarithmic axes, with
/// lines where both agree and where they are a fifth apart.
public struct KernelPicture: Sendable {
  public let family: KernelFamily
  /// The picture in SVG.
  public let svg: String

  private static let size = 640.0
  private static let margin = 70.0
  private static let colours = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb",
  ]

  /// One for each family of what was fitted.
  public static func all(_ fitted: [FittedKernel], title: String) -> [KernelPicture] {
    KernelFamily.allCases.compactMap { family in
      let own = fitted.filter { $0.family == family }
      return own.isEmpty ? nil : KernelPicture(family, own, title: title)
    }
  }

  private init(_ family: KernelFamily, _ kernels: [FittedKernel], title: String) {
    self.family = family
    let times = kernels.flatMap { $0.errors.flatMap { [$0.measured, $0.predicted] } }
    let least = log10(times.min() ?? 1e-6).rounded(.down)
    let most = max(least + 1, log10(times.max() ?? 1e-3).rounded(.up))
    let scale = (Self.size - 2 * Self.margin) / (most - least)
    func x(_ time: Double) -> Double { Self.margin + (log10(time) - least) * scale }
    func y(_ time: Double) -> Double { Self.size - x(time) }
    func number(_ value: Double) -> String { fixed(value, decimals: 1) }
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.size)) \(Int(Self.size))\""
        + " font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      "<text x=\"\(Int(Self.margin))\" y=\"24\" font-size=\"15\">\(title): \(family.rawValue)</text>",
      "<text x=\"\(Int(Self.size / 2))\" y=\"\(Int(Self.size) - 14)\" text-anchor=\"middle\">"
        + "measured</text>",
      "<text x=\"18\" y=\"\(Int(Self.size / 2))\" text-anchor=\"middle\" "
        + "transform=\"rotate(-90 18 \(Int(Self.size / 2)))\">predicted</text>",
    ]
    var exponent = least
    while exponent <= most {
      let time = pow(10, exponent)
      let (a, b) = (number(x(time)), number(y(time)))
      let (low, high) = (number(Self.margin), number(Self.size - Self.margin))
      lines += [
        "<path d=\"M\(a) \(low)V\(high)M\(low) \(b)H\(high)\" stroke=\"#ddd\"/>",
        "<text x=\"\(a)\" y=\"\(number(Self.size - Self.margin + 18))\" text-anchor=\"middle\">"
          + "\(Seconds(time))</text>",
        "<text x=\"\(number(Self.margin - 6))\" y=\"\(b)\" text-anchor=\"end\">\(Seconds(time))</text>",
      ]
      exponent += 1
    }
    let (first, last) = (pow(10, least), pow(10, most))
    for (factor, dashes) in [(1.0, ""), (1.2, "4 4"), (1 / 1.2, "4 4")] {
      lines.append(
        "<path d=\"M\(number(x(first))) \(number(y(first * factor)))L\(number(x(last))) "
          + "\(number(y(last * factor)))\" stroke=\"#444\" stroke-dasharray=\"\(dashes)\"/>")
    }
    for (index, kernel) in kernels.enumerated() {
      let colour = Self.colours[index % Self.colours.count]
      // Points of one pixel's tenth are one point.
      var points: Set<String> = []
      for error in kernel.errors {
        points.insert("M\(number(x(error.measured))) \(number(y(error.predicted)))h1.5")
      }
      lines += [
        "<path d=\"\(points.sorted().joined())\" stroke=\"\(colour)\" stroke-width=\"1.5\" "
          + "opacity=\"0.6\"/>",
        "<text x=\"\(number(Self.margin + 8))\" y=\"\(number(Self.margin + 14 + 16 * Double(index)))\" "
          + "fill=\"\(colour)\">\(kernel.kernel)</text>",
      ]
    }
    svg = (lines + ["</svg>"]).joined(separator: "\n") + "\n"
  }
}
