import Hardware
import Models
import Units

/// A cluster as the capacities of its resources, all of one kind together: arithmetic and memories at
/// data-sheet peaks, links at what they were measured to carry.
///
///     let machine = Machine(cluster, scaleUp: outOfDevices, network: outOfNodes)
///     let times = machine.times(of: work)
///     times.binding                            // .memory
///
/// S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for
/// multicore architectures", CACM 52(4), 2009, with as many roofs as there are resources.
public struct Machine: Hashable, Sendable {
  public let devices: Int
  /// By ``Resource``: bytes a second, or devices that compute; 0 where the machine has none.
  private var capacities = SIMD16<Double>.zero
  /// By ``Precision``: seconds of a device, of a companion for each operation; infinite where it
  /// cannot.
  private let deviceSeconds: [Precision: Double]
  private let companionSeconds: [Precision: Double]
  /// Of work that takes a device s seconds a companion does no more than so many s in each second.
  private let companionInDevices: Double

  /// - Parameters:
  ///   - scaleUp: Of all links together that lead out of devices to others of their nodes; nil where
  ///     nothing limits, or nobody asks.
  ///   - network: Of all links together that lead out of nodes.
  public init(_ cluster: Cluster, scaleUp: Bandwidth? = nil, network: Bandwidth? = nil) {
    devices = cluster.deviceCount
    let count = Double(devices)
    let own = cluster.device.secondsPerOperation
    let beside = cluster.node.companion?.processor.secondsPerOperation ?? [:]
    deviceSeconds = own
    companionSeconds = beside
    companionInDevices =
      Precision.allCases.compactMap { precision -> Double? in
        guard let slow = own[precision], let fast = beside[precision] else { return nil }
        return slow / fast
      }.max() ?? 0
    self[.arithmetic] = count
    self[.memory] = cluster.device.memory.bandwidth.value * count
    self[.scaleUp] = scaleUp?.value ?? 0
    self[.network] = network?.value ?? 0
    if let companion = cluster.node.companion {
      self[.companionArithmetic] = count
      self[.companionMemory] = companion.processor.memory.bandwidth.value * count
      self[.companionLink] = (companion.port?.effectiveBandwidth.value ?? 0) * count
      self[.linkToCompanion] = self[.companionLink]
    }
    share()
  }

  /// Makes what devices and companions have together of what they have.
  private mutating func share() {
    guard has(.companionArithmetic) else { return }
    self[.sharedMemory] = self[.memory] + self[.companionMemory]
    self[.sharedArithmetic] =
      self[.arithmetic] + self[.companionArithmetic] * companionInDevices
  }

  private subscript(resource: Resource) -> Double {
    get { capacities[resource.rawValue] }
    set { capacities[resource.rawValue] = newValue }
  }

  /// Whether the machine has such a resource, and it limits anything.
  public func has(_ resource: Resource) -> Bool { self[resource] > 0 }

  /// Of all resources of a kind that carries bytes; zero for the others.
  public func bandwidth(of resource: Resource) -> Bandwidth {
    resource.carriesBytes ? Bandwidth(self[resource]) : .zero
  }

  /// Of all devices, at the rate that `precision` really runs at; zero where they cannot.
  ///
  /// - Parameter resource: Whose arithmetic; zero of what several kinds of processors share.
  public func peakRate(
    for precision: Precision, of resource: Resource = .arithmetic
  ) -> ComputeRate {
    let all = resource == .companionArithmetic ? companionSeconds : deviceSeconds
    guard resource != .sharedArithmetic, let seconds = all[precision] else { return .zero }
    return ComputeRate(Double(devices) / seconds)
  }

  /// Operations for each byte of the devices' memory above which arithmetic binds: peak rate over
  /// bandwidth.
  public func ridgePoint(for precision: Precision, over resource: Resource = .memory) -> Double {
    let bandwidth = bandwidth(of: resource)
    let processor: Resource = resource == .companionMemory ? .companionArithmetic : .arithmetic
    let peak = peakRate(for: precision, of: processor)
    return bandwidth > .zero ? peak.value / bandwidth.value : .infinity
  }

  /// The same with more or less of one resource, and of what it is a part of; of what is shared with more
  /// or less of every part.
  public func scaling(_ resource: Resource, by factor: Double) -> Machine {
    var machine = self
    for part in resource.parts { machine[part] = self[part] * factor }
    machine.share()
    return machine
  }

  /// What a little more of `part` gives of a resource, both in per cent: 1 of itself, of what devices and
  /// companions share a part's share of the capacity, 0 of others.
  func share(of part: Resource, in resource: Resource) -> Double {
    guard part != resource else { return 1 }
    guard resource.parts.contains(part), has(resource) else { return 0 }
    let inDevices = part == .companionArithmetic ? companionInDevices : 1
    return self[part] * inDevices / self[resource]
  }
}

extension Machine {
  /// What an operator asks of the processor that runs it, of its memory: weights once for each
  /// launch, activations in and out, cache.
  ///
  /// - Parameters:
  ///   - times: Launches, on as many devices or one after the other.
  ///   - weights: In how many of them the weights are read; in each where nil.
  public func work(
    of kernel: Operator, on processor: Processor = .device, times: Double = 1,
    weights: Double? = nil
  ) -> Work {
    let flops = kernel.flops * times
    let moved = (kernel.activationBytes + kernel.cacheBytes) * times
    let bytes = moved + kernel.weightBytes * (weights ?? times)
    let precision = kernel.precision
    func seconds(_ each: [Precision: Double]) -> Seconds {
      flops > .zero ? Seconds(flops.value * (each[precision] ?? .infinity)) : .zero
    }
    return Work(
      flops, seconds(processor == .companion ? companionSeconds : deviceSeconds), bytes,
      on: processor)
  }

  /// What `work` takes of each resource with everything divided perfectly over the resources of a
  /// kind: amount over capacity.
  public func times(of work: Work) -> ResourceTimes {
    var times = ResourceTimes()
    for resource in Resource.allCases {
      let amount = amount(of: resource, in: work)
      if amount > 0, has(resource) { times[resource] = Seconds(amount / self[resource]) }
    }
    return times
  }

  /// What devices or companions do alone is done by devices and companions, too. But what a companion reads
  /// of a memory of its own may be what either may read, on its way.
  private func amount(of resource: Resource, in work: Work) -> Double {
    let own = work.amount(of: resource)
    guard own > 0 else { return 0 }
    switch resource {
    case .sharedArithmetic:
      return own + work.amount(of: .arithmetic)
        + work.amount(of: .companionArithmetic) * companionInDevices
    case .sharedMemory:
      let beside = has(.companionLink) ? 0 : work.amount(of: .companionMemory)
      return own + work.amount(of: .memory) + beside
    default: return own
    }
  }
}

extension Device {
  /// By the precision of the work, of whichever rate it runs at; none where the device cannot.
  fileprivate var secondsPerOperation: [Precision: Double] {
    var seconds: [Precision: Double] = [:]
    for precision in Precision.allCases {
      let rate = arithmeticPrecision(for: precision).flatMap { peakRates[$0] }
      if let rate, rate > .zero { seconds[precision] = 1 / rate.value }
    }
    return seconds
  }
}
