#include "tests/unit/outbound/certificates.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "storage/base/assert.hpp"

namespace millrace::test {
namespace {

constexpr long version_3 = 2;

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(bytes));
    BIO_free(bio);
    return text;
}

void add_extension(const Certificate& made, const Certificate& issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.x509.get(), made.x509.get(), nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    MILLRACE_ASSERT(extension != nullptr);
    X509_add_ext(made.x509.get(), extension, -1);
    X509_EXTENSION_free(extension);
}

/// Each has another name, or a chain could not be told from a circle.
void name_subject(X509* x509, long number) {
    X509_NAME* const name = X509_get_subject_name(x509);
    const std::string text = "test " + std::to_string(number);
    X509_NAME_add_entry_by_txt(name,
                               "CN",
                               MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()),
                               -1,
                               0);
}

}  // namespace

std::string Certificate::pem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x509.get());
    return text_of(bio);
}

std::string Certificate::key_pem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
}

Certificate make_certificate(const CertificateOptions& options, const Certificate* issuer) {
    static std::atomic<long> last_number{0};
    const long number = ++last_number;
    Certificate made{.x509 = {X509_new(), X509_free}, .key = {EVP_EC_gen("P-256"), EVP_PKEY_free}};
    X509* const x509 = made.x509.get();
    const Certificate& signer = issuer != nullptr ? *issuer : made;
    X509_set_version(x509, version_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), number);
    X509_gmtime_adj(X509_getm_notBefore(x509), options.valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(x509), options.valid_until_s);
    X509_set_pubkey(x509, made.key.get());
    name_subject(x509, number);
    X509_set_issuer_name(x509, X509_get_subject_name(signer.x509.get()));
    add_extension(made,
                  signer,
                  NID_basic_constraints,
                  options.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (options.is_authority) {
        add_extension(made, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (!options.names.empty()) {
        add_extension(made, signer, NID_subject_alt_name, options.names.c_str());
    }
    const auto bytes = X509_sign(x509, signer.key.get(), EVP_sha256());
    MILLRACE_ASSERT(bytes > 0);
    return made;
}

Certificate make_authority(const Certificate* issuer) {
    return make_certificate({.names = "", .is_authority = true}, issuer);
}

TextFile::TextFile(const std::string& text) {
    static std::atomic<int> last_number{0};
    path_ = (std::filesystem::temp_directory_path() /
             ("millrace-tls-" + std::to_string(getpid()) + "-" + std::to_string(++last_number)))
                .string();
    std::ofstream(path_) << text;
}

TextFile::~TextFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

}  // namespace millrace::test
