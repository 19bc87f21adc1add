# frozen_string_literal: true

# In the place of Bundler, which would ask for versions of gems that are not needed here: the tests run with what is
# installed.
module Bundler
  def self.require(*); end
end
