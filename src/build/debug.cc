// Looking at what a failed step has left.
#include "base/error.hh"
#include "base/sys.hh"
#include "build/builder.hh"
#include "build/step_mounts.hh"
#include "linux/mount.hh"

#include <elf.h>
#include <fcntl.h>

#include <array>
#include <cstring>

namespace hull::build {

namespace {

constexpr const char* shells[] = {"/bin/bash", "/bin/sh", "/bin/ash", "/bin/busybox"};
constexpr const char* helpers[] = {"/usr/lib/hull/busybox", "/bin/busybox", "/usr/bin/busybox"};

/// Whether it needs no loader and no libraries, which another root would not have.
bool is_static(const Path& program) {
    std::string text(4096, '\0');
    const Fd file = sys::open(program, O_RDONLY);
    text.resize(sys::read_full(file.get(), std::as_writable_bytes(std::span(text))));
    Elf64_Ehdr header{};
    if (text.size() < sizeof header) return false;
    std::memcpy(&header, text.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return false;
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
        if (at + sizeof(Elf64_Phdr) > text.size()) return false;
        Elf64_Phdr segment{};
        std::memcpy(&segment, text.data() + at, sizeof segment);
        if (segment.p_type == PT_INTERP) return false;
    }
    return true;
}

Path find_helper() {
    for (const Path helper : helpers) {
        const auto info = sys::find_stat(helper);
        if (info && S_ISREG(info->st_mode) && is_static(helper)) return helper;
    }
    return "";
}

}  // namespace

Builder::DebugPlan Builder::prepare_debug(const std::string& id) {
    BuildRecord record;
    if (!id.empty()) {
        record = history_.get(id);
        if (!record.failed)
            throw Error(ErrorKind::not_found,
                        "build {} has no failed step to look at: it is {}, and only the last few "
                        "failed builds keep theirs",
                        record.id, to_string(record.status));
    } else {
        for (BuildRecord& known : history_.list())
            if (known.failed && !record.failed) record = std::move(known);
        if (!record.failed)
            throw Error(ErrorKind::not_found, "no build here has a failed step to look at");
    }
    DebugPlan plan;
    plan.failed = *record.failed;
    {
        std::vector<std::string> diff_ids;
        for (const image::BuiltLayer& layer : plan.failed.layers) diff_ids.push_back(layer.diff_id);
        const TemporaryDirectory directory(new_directory("mounts"));
        const Path root =
            mount_tree(store_.prepare_rootfs(diff_ids, "", ""), directory.path(), "/", false);
        const Fd root_fd = sys::open(root, O_PATH | O_DIRECTORY);
        for (const char* shell : shells)
            if (plan.shell.empty() && linux_::find_in_root(root_fd.get(), shell, O_PATH))
                plan.shell = shell;
    }
    if (plan.shell.empty()) plan.helper = find_helper();
    image::NewImage image;
    image.config = plan.failed.config;
    image.layers = plan.failed.layers;
    plan.image_id = images_.add_image(image).id;
    return plan;
}

}  // namespace hull::build
