import Models

extension KernelCalibration {
  /// The numbers as another device takes them that nobody measured. Most are fractions of what its own
  /// data sheet says, and stay; two kinds are changed by that sheet:
  ///
  /// - what long kernels lose to the power limit, by the ratio of peak rate to design power (a device
  ///   with more watts for its arithmetic loses less), where the measurements told it and within its range;
  /// - what a unit does for each operation of its peak, where the device has units like the owner's
  ///   (``Device/unitsLike``) with another peak: operands from the cache, and the share of the peak that is
  ///   reached, up to all of it. A limited unit has whole caches and paths.
  ///
  /// The same where one of the two does not say its compute units.
  public func lent(by owner: Device, to device: Device) -> KernelCalibration {
    guard owner.name != device.name, let precision,
      let from = KernelMachine(owner, precision), let to = KernelMachine(device, precision)
    else { return self }
    let power =
      (to.peak / device.thermalDesignPower.value) / (from.peak / owner.thermalDesignPower.value)
    let unit = (to.peak / Double(to.units)) / (from.peak / Double(from.units))
    var lent = self
    for (index, term) in family.terms.enumerated() where index < values.count {
      switch term.lending {
      case .unchanged: continue
      case .byPower where !fit.untold.contains(term.key):
        lent.values[index] = min(
          max(values[index] * power, term.range.lowerBound), term.range.upperBound)
      case .byPower: continue
      case .byUnit where device.unitsLike == owner.name:
        lent.values[index] = min(
          max(values[index] / unit, term.range.lowerBound), term.range.upperBound)
      case .byUnit: continue
      }
    }
    return lent
  }

  /// Of the arithmetic; nil for types of numbers that no table names.
  private var precision: Precision? {
    switch numberType {
    case "fp8", "fp8_block": .fp8
    case "int8": .int8
    case "float16": .fp16
    // Narrow weights alone are widened.
    case "bfloat16", "int8_wo", "int4_wo", "fp8_wo": .bf16
    default: nil
    }
  }
}
