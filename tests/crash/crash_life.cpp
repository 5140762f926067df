#include "tests/crash/crash_life.hpp"

#include <cstdlib>

namespace millrace::storage::testing {

std::string CrashName::operator()(const ::testing::TestParamInfo<SimDisk::Failure>& chosen) const {
    return chosen.param == SimDisk::Failure::for_good ? "PowerLoss" : "FailedCall";
}

std::string CrashName::operator()(const ::testing::TestParamInfo<CrashCase>& chosen) const {
    return (*this)({chosen.param.failure, chosen.index}) +
           (chosen.param.index == Index::lost ? "IndexLost" : "IndexKept");
}

std::vector<CrashCase> crash_cases() {
    return {{SimDisk::Failure::for_good, Index::lost},
            {SimDisk::Failure::for_good, Index::kept},
            {SimDisk::Failure::once, Index::lost},
            {SimDisk::Failure::once, Index::kept}};
}

CrashLife::CrashLife(std::uint64_t seed, Index index) : fixture(seed) {
    auto pattern = (std::filesystem::temp_directory_path() / "millrace-crash-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    fixture.options.directory = directory_.string();
    fixture.options.index_in_memory = index == Index::lost;
}

CrashLife::~CrashLife() {
    fixture.close();
    std::filesystem::remove_all(directory_);
}

void CrashLife::end(SimDisk::Failure failure) {
    if (failure == SimDisk::Failure::for_good) {
        fixture.crash();
    } else {
        fixture.close();
    }
    fixture.disk.heal();
}

}  // namespace millrace::storage::testing
