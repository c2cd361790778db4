// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors where the result is judged (CI sets CI=true), not where somebody with a
// newer compiler only wants to use the tool.
let strict: [SwiftSetting] =
  Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]

/// A room of the house: a library target and what it may see of the floors below.
func room(
  _ name: String, sees dependencies: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func tests(_ room: String, sees others: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(room)Tests", dependencies: [.byName(name: room)] + others, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "switchyard",
  products: [.executable(name: "switchyard", targets: ["switchyard"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // Floor 0
    room("Units"),
    room("Threading"),
    // Floor 1
    .systemLibrary(name: "CGSL", pkgConfig: "gsl", providers: [.apt(["libgsl-dev"])]),
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    room("StrictYAML", sees: ["Units", yams]),
    room("Engine", sees: ["Units"]),
    room("Statistics", sees: ["Units", "CGSL"]),
    // Floor 2
    room("Models", sees: ["Units", "StrictYAML"], resources: [.copy("Catalogue")]),
    room(
      "Hardware", sees: ["Units", "Threading", "StrictYAML", "Models"],
      resources: [.copy("Catalogue")]),
    room("Fabric", sees: ["Units", "StrictYAML", "Engine", "Hardware"]),
    room("Traces", sees: ["Units", "Statistics", "CLZMA", "CZlib"]),
    // Floor 3
    room(
      "Calibration",
      sees: ["Units", "StrictYAML", "Statistics", "Models", "Hardware", "CLZMA"]),
    room("Roofline", sees: ["Units", "Models", "Hardware"]),
    room("Placement", sees: ["Units", "Threading", "StrictYAML", "Statistics", "Traces"]),
    room(
      "Serving",
      sees: [
        "Units", "Statistics", "Engine", "Hardware", "Fabric", "Models", "Traces", "Placement",
      ]),
    // Floor 4
    room(
      "Scenario",
      sees: [
        "Units", "StrictYAML", "Hardware", "Fabric", "Models", "Traces", "Placement", "Roofline",
        "Serving",
      ]),
    room("Results", sees: ["Units", "Engine", grdb]),
    // Floor 5
    room(
      "Validation", sees: ["Units", "Threading", "StrictYAML", "Serving", "Scenario", "Results"]),
    // Floor 6
    .executableTarget(
      name: "switchyard",
      dependencies: [
        "Units", "StrictYAML", "Engine", "Hardware", "Fabric", "Models", "Traces", "Placement",
        "Roofline", "Serving", "Scenario", "Results", "Validation", "Calibration", argumentParser,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "Units", "Statistics", "Engine", "Hardware", "Fabric", "Models", "Traces", "Placement",
        "Serving", argumentParser,
      ],
      path: "Benchmarks/Sources", swiftSettings: strict),
    tests("Units"),
    tests("Threading"),
    tests("StrictYAML"),
    tests("Engine"),
    tests("Statistics"),
    tests("Models"),
    tests("Hardware", sees: ["Models"]),
    tests("Fabric", sees: ["Engine", "Hardware"]),
    tests("Traces"),
    tests("Calibration", sees: ["Hardware", "Models", "Statistics", "Units"]),
    tests("Placement", sees: ["Statistics", "Traces"]),
    tests(
      "Roofline",
      sees: [
        "Engine", "Fabric", "Hardware", "Models", "Placement", "Scenario", "Serving", "Traces",
      ]
    ),
    tests("Serving", sees: ["Engine", "Hardware", "Fabric", "Models", "Traces", "Placement"]),
    tests(
      "Scenario",
      sees: ["Fabric", "Hardware", "Models", "Placement", "Serving", "StrictYAML", "Traces"]),
    tests("Results"),
    tests("Validation", sees: ["Results", "Scenario", "StrictYAML", "Units"]),
    .testTarget(
      name: "switchyardTests", dependencies: ["switchyard", "Scenario", "Traces", "Results"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
