import Foundation
import Models
import Units

/// MoE-Lens' closed forms for a model whose weights stay in host memory and stream to one GPU, with
/// the KV cache in host memory, too (arXiv 2504.09345).
///
///     let host = MoELens.Host(
///       link: Bandwidth(19.5e9), cache: Bytes(70e9), gpu: TokenRate(3783),
///       arithmetic: ComputeRate(149.7e12))
///     let lens = MoELens(model, Precisions(.bf16), prompt: 98, output: 32, host: host)
///     lens.firstStage.throughput            // tokens/s, prompts' and generated ones together
///
/// What stands here as (1) to (4) is the paper's; (5) to (8) are from notes on it, with the numerator of
/// (5) put so that it gives the paper's example; ``secondStage(_:)`` is a reconstruction. (1), (2) and (6)
/// are of models like Mixtral: gated experts only, none of them shared, heads as wide together as the
/// model, attention in groups. Beside them stands what any model's own operators ask:
/// ``modelIntensity(ofTokens:)``, ``modelSaturatingTokens`` and ``operationsPerCacheElement``.
public struct MoELens: Hashable, Sendable {
  /// What streams and what it streams over.
  public struct Host: Hashable, Sendable {
    /// From host memory to the GPU: B_IO.
    public var link: Bandwidth
    /// What host memory can do; nil for whatever is needed.
    public var memory: Bandwidth?
    /// Room for the KV cache.
    public var cache: Bytes
    /// What the GPU would do of prompts' and generated tokens with all weights in its own memory and
    /// decode attention elsewhere: T_GPU. From a kernel model: ``StreamingGPU``.
    public var gpu: TokenRate
    /// The GPU's arithmetic: C_GPU.
    public var arithmetic: ComputeRate

    public init(
      link: Bandwidth, memory: Bandwidth? = nil, cache: Bytes, gpu: TokenRate,
      arithmetic: ComputeRate
    ) {
      self.link = link
      self.memory = memory
      self.cache = cache
      self.gpu = gpu
      self.arithmetic = arithmetic
    }
  }

  public var host: Host
  /// Tokens of a prompt (p), and tokens that are generated after it (g); at least 1.
  public var prompt: Double
  public var output: Double
  /// All weights.
  public var model: Bytes
  /// Of one token, in all layers; where some have a window, as if none had.
  public var cacheBytesPerToken: Bytes
  /// As the paper counts them.
  public var weights: Weights
  /// What a token asks of the GPU in all layers and, where one is generated, in the head: of
  /// multiplications with weights only.
  public var operationsPerToken: FLOPs
  /// What attention over the cache does with each of its elements in a pass: for each head that shares
  /// it a multiplication and an addition, and twice that where it is part of a key and of a value, too.
  public var operationsPerCacheElement: Double

  /// What a layer's weights and a token's work in it are made of.
  public struct Weights: Hashable, Sendable {
    /// h.
    public var hidden: Double
    /// h_i.
    public var intermediate: Double
    /// N_e and N_k.
    public var experts: Double
    public var topK: Double
    /// s: query heads for each key-value head.
    public var headsPerKeyValueHead: Double
    /// Of one weight; 2 in the paper.
    public var bytes = 2.0

    public init(
      hidden: Double, intermediate: Double, experts: Double, topK: Double,
      headsPerKeyValueHead: Double
    ) {
      self.hidden = hidden
      self.intermediate = intermediate
      self.experts = experts
      self.topK = topK
      self.headsPerKeyValueHead = headsPerKeyValueHead
    }
  }

  /// A model of which no more is known than what the paper counts.
  public init(
    weights: Weights, model: Bytes, cacheBytesPerToken: Bytes, prompt: Double, output: Double,
    host: Host
  ) {
    self.weights = weights
    self.model = model
    self.cacheBytesPerToken = cacheBytesPerToken
    self.prompt = prompt
    self.output = output
    self.host = host
    operationsPerToken = FLOPs(weights.intensity * model.value)
    operationsPerCacheElement = 2 * weights.headsPerKeyValueHead
  }
}

// MARK: - What saturates the GPU

extension MoELens {
  /// Operations for each byte of a layer's weights that n tokens side by side do, in FLOP/B (the paper's
  /// equation 1, whose weights have two bytes):
  ///
  ///     I(n) = n (6 N_k h h_i + 4 h^2 + 4 h^2/s) / (6 N_e h h_i + 4 h^2 + 4 h^2/s)
  ///
  /// about n N_k / N_e; for other weights x 2 / their bytes. Gated experts of three matrices; query and
  /// output, keys and values.
  public func intensity(ofTokens count: Double) -> Double { count * weights.intensity }

  /// The same of all of the model's own weights, in FLOP/B: n x ``operationsPerToken`` / ``model``.
  public func modelIntensity(ofTokens count: Double) -> Double {
    count * operationsPerToken.value / model.value
  }

  /// Tokens side by side above which arithmetic binds and not the link (the paper's equation 2):
  ///
  ///     n >= C_GPU / B_IO x N_e / N_k
  ///
  /// for weights of two bytes, and as much less as they have fewer.
  public var saturatingTokens: Tokens {
    Tokens(
      host.arithmetic.value / host.link.value * weights.experts / weights.topK * weights.bytes / 2)
  }

  /// The same of the model's own weights: n x ``operationsPerToken`` take the GPU's peak as long as the link
  /// takes for all of them.
  public var modelSaturatingTokens: Tokens {
    Tokens(host.arithmetic.value * pass.value / operationsPerToken.value)
  }

  /// KV cache of as many sequences of `length` tokens each (the paper's table 2).
  public func cacheSaturating(sequencesOf length: Double) -> Bytes {
    cacheBytesPerToken * (saturatingTokens.value * length)
  }
}

extension MoELens.Weights {
  /// Operations for each byte of weights and token, in FLOP/B.
  fileprivate var intensity: Double {
    let attention = 4 * hidden * hidden * (1 + 1 / headsPerKeyValueHead)
    let expert = 6 * hidden * intermediate
    return 2 / bytes * (topK * expert + attention) / (experts * expert + attention)
  }
}

// MARK: - Stage 1

extension MoELens {
  /// Tokens of prompt and answer that one token-slot of the cache is worth in each pass over the
  /// weights, "parallelism-memory efficiency" (the paper's equation 3):
  ///
  ///     PME = (p + g) / sum for j = 0 ... g of (p + j) = 2 (p + g) / ((2p + g) g)
  ///
  /// in the paper's words, of which the right side is what stands here: g passes with p + g/2 slots each on
  /// average. The sum as written has g + 1 terms and is (g + 1)(2p + g)/2. A request is in the cache for g
  /// passes, with p, p + 1, ... p + g - 1 slots, which ``secondStage(_:)`` sums: (2p + g - 1) g/2, or
  /// 1/(2p + g) less than here.
  public var parallelismMemoryEfficiency: Double {
    2 * (prompt + output) / ((2 * prompt + output) * output)
  }

  /// One pass over the weights: model over link, delta.
  public var pass: Seconds { model / host.link }

  /// The same where host memory gives the weights and, to the processor, some cache: longer where that is
  /// more than it can. Not the paper's, whose host memory has what it needs: its (5) turned around,
  ///
  ///     delta' = max(M_weights / B_IO, (M_weights + M_KV) / B_Mem)
  public func pass(reading cache: Bytes) -> Seconds {
    max(pass, host.memory.map { (model + cache) / $0 } ?? .zero)
  }

  /// Token-slots of the cache: M.
  public var slots: Tokens { Tokens(host.cache / cacheBytesPerToken) }

  public struct FirstStage: Hashable, Sendable {
    /// Tokens a second, prompts' and generated ones together.
    public var throughput: TokenRate
    /// The generated ones of these: g/(p + g).
    public var generated: TokenRate
    /// PME M / delta: what the cache allows.
    public var byCache: TokenRate
    /// Whether the GPU binds and not the cache with the link or with host memory.
    public var isBoundByGPU: Bool
    /// Whether a pass takes as long as host memory takes, where the cache binds.
    public var waitsForHostMemory: Bool
  }

  /// The paper's equation 4:
  ///
  ///     T = min(PME x M / delta, T_GPU)
  ///
  /// with delta' of ``pass(reading:)`` where host memory takes longer for weights and a full cache.
  public var firstStage: FirstStage {
    let span = pass(reading: host.cache)
    let byCache = Tokens(parallelismMemoryEfficiency * slots.value) / span
    let throughput = min(byCache, host.gpu)
    return FirstStage(
      throughput: throughput, generated: throughput * (output / (prompt + output)),
      byCache: byCache, isBoundByGPU: host.gpu <= byCache, waitsForHostMemory: span > pass)
  }

  /// Host memory bandwidth that a full cache needs, read once in a pass, beside the weights (from
  /// notes, equation 5):
  ///
  ///     B_Mem = B_KV + B_IO = (M_KV + M_weights) / (M_weights / B_IO)
  public var hostBandwidth: Bandwidth { (host.cache + model) / pass }

  /// Arithmetic that attention over that cache needs of the CPU (from notes, equation 6):
  ///
  ///     T_CPU = 2 s I B_KV
  ///
  /// a multiplication and an addition for each of the s query heads that share an element, I elements
  /// for each byte. What the paper means by I was not found. For 2 s stands what attention really does,
  /// ``operationsPerCacheElement``, which is that where heads share keys and values in groups.
  ///
  /// - Parameter bytes: Of an element of the cache.
  public func cpuArithmetic(elementBytes bytes: Double) -> ComputeRate {
    let cacheRate = host.cache / pass
    return ComputeRate(operationsPerCacheElement / bytes * cacheRate.value)
  }

  /// How much more cache it takes for as much throughput where prompts and answers do not overlap:
  /// sequences of all ages need p + g/2 slots on average, sequences in step p + g (from notes, equation
  /// 7):
  ///
  ///     C_eff / C_KV = (p + g) / (p + g/2)
  public var gainOfOverlap: Double { (prompt + output) / (prompt + output / 2) }

  /// Tokens side by side where q sequences begin in each pass (from notes, equation 8): q (p + g).
  public func parallelTokens(beginning sequences: Double) -> Tokens {
    Tokens(sequences * (prompt + output))
  }
}

// MARK: - Stage 2

extension MoELens {
  /// A batch of requests, and the cache as pages.
  public struct Batch: Hashable, Sendable {
    /// K.
    public var requests: Double
    /// b: tokens of a page of the cache, 1 without pages.
    public var block: Double

    public init(requests: Double, block: Double = 16) {
      self.requests = requests
      self.block = block
    }
  }

  public struct SecondStage: Hashable, Sendable {
    /// Token-slots that a sequence takes over its life, summed over its passes, in whole pages.
    public var slotsPerSequence: Tokens
    /// Sequences that begin in each pass.
    public var beginning: Double
    /// Passes over the weights until the last request ends, with those that fill and drain the pipeline.
    public var passes: Double
    /// T1: each pass takes what the link takes, or host memory where that is longer.
    public var timeByLink: Seconds
    /// T2: all tokens at the GPU's rate.
    public var timeByGPU: Seconds
    /// Generated tokens over the longer of the two.
    public var generated: TokenRate
    /// Of the GPU's rate.
    public var utilisation: Double
  }

  /// Requests with paged cache, and with the passes in which the pipeline fills and drains. **A
  /// reconstruction**: of the paper's equations 9 to 14 only the structure is known (T is the smaller of
  /// an IO-bound and a GPU-bound throughput, equation 12 gives the number of iterations).
  ///
  ///     slots = b x sum for j = 0 ... g - 1 of ceil((p + j) / b)
  ///     q = min(M / slots, T_GPU delta / (p + g))
  ///     passes = max(1, K/q) + g - 1
  ///     throughput = K g / max(passes x delta, K (p + g) / T_GPU)
  ///
  /// with delta' of ``pass(reading:)`` for the cache that q sequences of each age fill.
  ///
  /// A request goes through g passes: with its prompt, which gives its first token, and with each token but
  /// the last one. Requests begin in K/q of the passes, and the last of them end g - 1 later.
  ///
  /// O(g).
  public func secondStage(_ batch: Batch) -> SecondStage {
    var used = 0.0
    var age = 0.0
    while age < output {
      used += ((prompt + age) / batch.block).rounded(.up) * batch.block
      age += 1
    }
    let tokens = prompt + output
    let (beginning, span) = self.beginning(slots: used, byGPU: host.gpu.value / tokens)
    let passes = max(1, batch.requests / beginning) + output - 1
    let byLink = span * passes
    let byGPU = Tokens(batch.requests * tokens) / host.gpu
    let time = max(byLink, byGPU)
    return SecondStage(
      slotsPerSequence: Tokens(used), beginning: beginning, passes: passes, timeByLink: byLink,
      timeByGPU: byGPU, generated: Tokens(batch.requests * output) / time,
      utilisation: byGPU / time)
  }

  /// Sequences that begin in each pass, and how long that takes.
  ///
  /// - Parameters:
  ///   - used: Token-slots over a sequence's life.
  ///   - rate: Sequences a second that the GPU can do.
  private func beginning(slots used: Double, byGPU rate: Double) -> (Double, pass: Seconds) {
    let each = cacheBytesPerToken * used
    let byCache = slots.value / used
    let full = pass(reading: each * byCache)
    if rate * full.value >= byCache { return (byCache, full) }
    // The GPU binds: q = rate x delta'(q), of which either side of delta' is linear in q.
    var byGPU = rate * pass.value
    if let memory = host.memory {
      byGPU = max(byGPU, rate * model.value / (memory.value - rate * each.value))
    }
    return (byGPU, pass(reading: each * byGPU))
  }
}
