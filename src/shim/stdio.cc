#include "shim/stdio.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "runtime/container.hh"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace hull::shim {

namespace {

constexpr std::int64_t burst_gap_ns = 300'000;
constexpr int burst_reads = 16;
constexpr std::size_t small_read_bytes = 32 << 10;
constexpr timespec batch_pause{0, 300'000};

void set_non_blocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

ReadBuffer::ReadBuffer() {
    void* memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw_errno(errno, "allocating a buffer");
    data_ = static_cast<char*>(memory);
}

ReadBuffer::~ReadBuffer() { ::munmap(data_, size); }

void ReadBuffer::release_memory() { ::madvise(data_, size, MADV_DONTNEED); }

Stdio::Stdio(Loop& loop, ReadBuffer& buffer, Options options)
    : loop_(loop),
      buffer_(buffer),
      options_(std::move(options)),
      outputs_{Output(*this, 1), Output(*this, 2)},
      input_(*this),
      log_drain_(*this) {}

Stdio::~Stdio() {
    if (log_drain_.watched_fd >= 0) loop_.unwatch(log_drain_.watched_fd);
    clients_.clear();
    for (Output& output : outputs_) close_output(output);
    close_input();
}

void Stdio::use_pipes(Fd input, Fd output, Fd error) {
    has_input_ = static_cast<bool>(input);
    input_.fd = std::move(input);
    if (input_.fd) set_non_blocking(input_.fd.get());
    open_output(outputs_[0], std::move(output));
    open_output(outputs_[1], std::move(error));
}

void Stdio::use_terminal(Fd master, bool open_stdin) {
    is_terminal_ = true;
    has_input_ = open_stdin;
    input_.fd = sys::dup(master.get());  // epoll knows each end by its own number
    open_output(outputs_[0], std::move(master));
}

void Stdio::open_output(Output& output, Fd fd) {
    set_non_blocking(fd.get());
    output.fd = std::move(fd);
    settle();
}

void Stdio::resize(unsigned short rows, unsigned short columns) {
    if (!is_terminal_) throw Error(ErrorKind::invalid_argument, "not a terminal");
    if (input_.fd) runtime::resize_terminal(input_.fd.get(), {.rows = rows, .columns = columns});
}

void Stdio::add_client(Fd socket, AttachOptions options) {
    if (!has_input_) options.use_stdin = false;
    clients_.push_back(std::make_unique<Client>(*this, std::move(socket), std::move(options)));
}

bool Stdio::read_output(Output& output) {
    ssize_t count;
    do count = ::read(output.fd.get(), buffer_.data(), ReadBuffer::size);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) return false;
    if (count <= 0) {  // EIO: the last process closed the terminal
        close_output(output);
        return false;
    }
    const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
    last_read_bytes_ = bytes.size();
    last_read_ns_ = monotonic_ns();
    if (options_.log) {
        options_.log->write(output.stream, now_ns(), bytes);
        watch_log();
    }
    for (const auto& client : clients_)
        if (client->wants(output.stream)) client->send(output.stream, bytes);
    if (!clients_.empty() || log_drain_.watched_fd >= 0) settle();
    return true;
}

void Stdio::watch_log() {
    const int fd = options_.log->pending_fd();
    if (fd == log_drain_.watched_fd) return;
    if (log_drain_.watched_fd >= 0) loop_.unwatch(log_drain_.watched_fd);
    if (fd >= 0) loop_.watch(fd, EPOLLOUT, log_drain_);
    log_drain_.watched_fd = fd;
}

void Stdio::drain_log() {
    options_.log->flush();
    watch_log();
    settle();
}

void Stdio::batch_output() {
    const bool follows_at_once = monotonic_ns() - last_read_ns_ < burst_gap_ns;
    if (!follows_at_once)
        small_reads_in_a_row_ = 0;
    else if (last_read_bytes_ < small_read_bytes && small_reads_in_a_row_ < burst_reads)
        ++small_reads_in_a_row_;
    // A writer that nearly filled the pipe during the last pause must not wait for another one.
    if (small_reads_in_a_row_ == burst_reads && last_read_bytes_ < ReadBuffer::size / 2)
        ::nanosleep(&batch_pause, nullptr);
}

void Stdio::close_output(Output& output) {
    if (output.is_watched) loop_.unwatch(output.fd.get());
    output.is_watched = false;
    output.fd.reset();
}

void Stdio::drain() {
    for (Output& output : outputs_)
        while (output.fd && read_output(output)) {
        }
}

bool Stdio::outputs_ended() const { return !outputs_[0].fd && !outputs_[1].fd; }

void Stdio::end_clients() {
    for (const auto& client : clients_) client->end();
    settle();
}

void Stdio::settle() {
    std::erase_if(clients_, [](const auto& client) { return client->is_done(); });
    const bool wait = (options_.log && options_.log->is_full()) ||
                      std::any_of(clients_.begin(), clients_.end(),
                                  [](const auto& client) { return client->is_full(); });
    for (Output& output : outputs_) {
        if (!output.fd || output.is_watched == !wait) continue;
        if (wait)  // not just no events: epoll would go on reporting a hang-up
            loop_.unwatch(output.fd.get());
        else
            loop_.watch(output.fd.get(), EPOLLIN, output);
        output.is_watched = !wait;
    }
}

void Stdio::write_input(std::string_view bytes) {
    if (!input_.fd || !has_input_ || bytes.empty()) return;  // closed: further input goes nowhere
    pending_input_.append(bytes);
    flush_input();
}

void Stdio::flush_input() {
    const bool was_busy = input_.is_watched;
    while (input_.fd && !pending_input_.empty()) {
        const ssize_t written =
            ::write(input_.fd.get(), pending_input_.data(), pending_input_.size());
        if (written >= 0) {
            pending_input_.erase(0, static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {  // EPIPE: the process closed its standard input
            close_input();
        }
    }
    if (pending_input_.empty()) pending_input_ = std::string();
    if (pending_input_.empty() && input_ends_) close_input();
    const bool is_busy = input_.fd && input_is_busy();
    if (is_busy == was_busy) return;
    if (is_busy)
        loop_.watch(input_.fd.get(), EPOLLOUT, input_);
    else if (input_.fd)
        loop_.unwatch(input_.fd.get());
    input_.is_watched = is_busy;
    for (const auto& client : clients_) client->update_events();
}

void Stdio::close_input() {
    if (input_.is_watched) loop_.unwatch(input_.fd.get());
    input_.is_watched = false;
    pending_input_ = std::string();
    if (!is_terminal_) input_.fd.reset();  // a terminal's is also what resize uses
}

void Stdio::on_client_input_end(Client& client) {
    if (options_.close_stdin_with_client && !is_terminal_) {
        input_ends_ = true;
        flush_input();
    } else {
        client.end();  // Docker ends such a client, and leaves the container's input open (R12)
    }
}

}  // namespace hull::shim
