// Runs kernels on the CPU: each thread of a block is a fiber with its own stack.
//
// A fiber runs until it meets a barrier of its block or warp, or ends. When none can run any more, the barriers that all
// have reached open; where some have ended or wait elsewhere, the kernel is wrong and the launch fails. Buffers end at a
// page that may not be touched, so that reading or writing past an end stops the program.
//
// A fiber starts through `setcontext`; from then on it is switched to and from by `_longjmp`, which makes no system call.
#include "device.hpp"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace emulation {
namespace {

const size_t STACK = 256 * 1024;
const unsigned WARP = 32;

enum class State { Ready, AtBlockBarrier, AtWarpBarrier, Done };

struct Fiber {
    jmp_buf here;
    bool started = false;
    State state = State::Ready;
    Index thread{};
    uint64_t slot = 0;
};

struct Stacks {
    std::vector<void*> all;
    void* get(size_t index) {
        while (all.size() <= index) {
            void* stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            all.push_back(stack);
        }
        return all[index];
    }
    ~Stacks() {
        for (void* stack : all) munmap(stack, STACK);
    }
};

struct Runner {
    Fiber fibers[1024];
    size_t count = 0;
    Stacks stacks;
    jmp_buf home;
    Place now{};
    size_t current = 0;
    void* shared = nullptr;
    Entry entry = nullptr;
    const void* call = nullptr;
    uint64_t dice = 0x9e3779b97f4a7c15;
};

thread_local Runner runner;

std::map<std::string, Entry>& kernels() {
    static std::map<std::string, Entry> all;
    return all;
}

// Leaves the fiber until it is run again.
void leave(State state) {
    Fiber& fiber = runner.fibers[runner.current];
    fiber.state = state;
    if (_setjmp(fiber.here) == 0) _longjmp(runner.home, 1);
}

// A fiber's whole life: the thread of its number in one block after the other.
void live() {
    for (;;) {
        runner.entry(runner.call);
        leave(State::Done);
    }
}

// Runs a fiber until it leaves.
__attribute__((noinline)) void resume(size_t index) {
    Fiber& fiber = runner.fibers[index];
    runner.current = index;
    runner.now.thread = fiber.thread;
    if (_setjmp(runner.home) != 0) return;
    if (fiber.started) _longjmp(fiber.here, 1);
    fiber.started = true;
    static thread_local ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = runner.stacks.get(index);
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, live, 0);
    setcontext(&context);
}

uint64_t draw() {
    runner.dice ^= runner.dice << 13;
    runner.dice ^= runner.dice >> 7;
    runner.dice ^= runner.dice << 17;
    return runner.dice;
}

// Lets every fiber that can run do so, from a random one on, forwards or backwards.
bool run_ready() {
    const size_t count = runner.count, first = draw() % count;
    const bool forwards = draw() & 1;
    bool ran = false;
    for (size_t i = 0; i < count; i++) {
        const size_t at = forwards ? (first + i) % count : (first + count - i) % count;
        if (runner.fibers[at].state != State::Ready) continue;
        ran = true;
        resume(at);
    }
    return ran;
}

// Opens the barrier that the fibers `from..to` all wait at; false when there is none.
bool open(size_t from, size_t to, State barrier) {
    for (size_t i = from; i < to; i++) {
        if (runner.fibers[i].state != barrier) return false;
    }
    for (size_t i = from; i < to; i++) runner.fibers[i].state = State::Ready;
    return true;
}

bool all_done() {
    for (size_t i = 0; i < runner.count; i++) {
        if (runner.fibers[i].state != State::Done) return false;
    }
    return true;
}

// Runs one block; false when a barrier never opens.
bool run_block() {
    const Index size = runner.now.block_size;
    const size_t count = size_t(size.x) * size.y * size.z;
    runner.count = count;
    for (size_t i = 0; i < count; i++) {
        Fiber& fiber = runner.fibers[i];
        fiber.state = State::Ready;
        fiber.thread = {unsigned(i % size.x), unsigned(i / size.x % size.y), unsigned(i / size.x / size.y)};
    }
    while (!all_done()) {
        if (run_ready()) continue;
        bool opened = open(0, count, State::AtBlockBarrier);
        for (size_t warp = 0; warp < count && !opened; warp += WARP) {
            opened = open(warp, std::min(count, warp + WARP), State::AtWarpBarrier);
        }
        if (!opened) return false;
    }
    return true;
}

}  // namespace

const Place& place() { return runner.now; }
void block_barrier() { leave(State::AtBlockBarrier); }
void warp_barrier() { leave(State::AtWarpBarrier); }
void* shared() { return runner.shared; }
unsigned lane() { return unsigned(runner.current % WARP); }
uint64_t& slot(unsigned lane) { return runner.fibers[runner.current / WARP * WARP + lane].slot; }

Registration::Registration(const char* name, const char* type, Entry entry) {
    kernels()[std::string(name) + "_" + type] = entry;
}

}  // namespace emulation

// A buffer whose end is the end of the memory that may be touched, filled with bytes 0xff (NaN in every float type).
extern "C" void* lacuna_emulation_buffer(size_t bytes) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE)), body = (bytes + page - 1) / page * page;
    char* start = static_cast<char*>(mmap(nullptr, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (start == MAP_FAILED) return nullptr;
    mprotect(start + body, page, PROT_NONE);
    std::memset(start, 0xff, body);
    return start + body - bytes;
}

extern "C" void lacuna_emulation_release(void* buffer, size_t bytes) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE)), body = (bytes + page - 1) / page * page;
    munmap(static_cast<char*>(buffer) + bytes - body, body + page);
}

// 0 done, 1 no such kernel, 2 a barrier that not all threads reach, 3 a block or grid without threads or out of bounds.
extern "C" int lacuna_emulation_launch(const char* name, const unsigned* grid, const unsigned* block, size_t shared_bytes,
                                       const void* call) {
    using namespace emulation;
    const auto found = kernels().find(name);
    if (found == kernels().end()) return 1;
    const size_t threads = size_t(block[0]) * block[1] * block[2];
    const bool fits = threads > 0 && threads <= 1024 && threads % WARP == 0 && grid[0] > 0 && grid[1] > 0 && grid[2] > 0 &&
                      grid[1] <= 65535 && grid[2] <= 65535;
    if (!fits) return 3;
    runner.entry = found->second;
    runner.call = call;
    runner.now.grid_size = {grid[0], grid[1], grid[2]};
    runner.now.block_size = {block[0], block[1], block[2]};
    runner.shared = lacuna_emulation_buffer(shared_bytes);
    int result = 0;
    for (unsigned z = 0; z < grid[2] && result == 0; z++) {
        for (unsigned y = 0; y < grid[1] && result == 0; y++) {
            for (unsigned x = 0; x < grid[0] && result == 0; x++) {
                runner.now.block = {x, y, z};
                std::memset(runner.shared, 0xff, shared_bytes);
                if (!run_block()) result = 2;
            }
        }
    }
    // After a fault fibers stand in the middle of a kernel: the next launch begins with new ones.
    if (result != 0) {
        for (Fiber& fiber : runner.fibers) fiber.started = false;
    }
    lacuna_emulation_release(runner.shared, shared_bytes);
    return result;
}
