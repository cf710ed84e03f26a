#pragma once

namespace hull {

/// Deleter of a std::unique_ptr for what a C library frees with `function`.
template <auto function>
struct Release {
    template <typename T>
    void operator()(T* object) const {
        function(object);
    }
};

}  // namespace hull
