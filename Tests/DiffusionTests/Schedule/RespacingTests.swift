import Diffusion
import Testing

@Suite struct RespacingTests {
    @Test func roundsHalfToEvenAsPython() throws {
        // Positions 0, 2.5, 5, 7.5, 10: Python rounds 2.5 to 2 and 7.5 to 8.
        #expect(try Respacing.timesteps(total: 11, "5") == [0, 2, 5, 8, 10])
    }

    @Test func sectionsShareTheRemainderFromTheFront() throws {
        // Sections of 4, 3 and 3.
        #expect(try Respacing.timesteps(total: 10, "2,1,3") == [0, 3, 4, 7, 8, 9])
        #expect(try Respacing.timesteps(total: 10, "2, 0, 1") == [0, 3, 7])
    }

    @Test func fixedStride() throws {
        #expect(try Respacing.timesteps(total: 10, "ddim4") == [0, 3, 6, 9])
        #expect(try Respacing.timesteps(total: 1000, "ddim50") == Array(stride(from: 0, to: 1000, by: 20)))
    }

    @Test func emptyVisitsAll() throws { #expect(try Respacing.timesteps(total: 3, "") == [0, 1, 2]) }

    @Test(arguments: [
        "ddim", "ddimx", "ddim0", "ddim45", "ddim5000", "1001", "0", "20,", "-3", "5 5", "twenty", "600,2",
    ])
    func badSpecIsRefused(_ spec: String) {
        let error = #expect(throws: DiffusionError.self) { try Respacing.timesteps(total: 1000, spec) }
        #expect(error?.message.contains("'\(spec)'") == true)
    }

    @Test func strideErrorNamesTheNearest() {
        let error = #expect(throws: DiffusionError.self) { try Respacing.timesteps(total: 1000, "ddim45") }
        #expect(error?.message.contains("ddim44") == true && error?.message.contains("ddim46") == true)
    }
}
