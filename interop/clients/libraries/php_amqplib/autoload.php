<?php

declare(strict_types=1);

// In the place of the one that Composer would make: the library's classes, and those of its tests.

spl_autoload_register(function (string $class): void {
    foreach (['PhpAmqpLib\\Tests\\' => 'tests', 'PhpAmqpLib\\' => 'PhpAmqpLib'] as $prefix => $folder) {
        $file = dirname(__DIR__) . "/$folder/" . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
        if (str_starts_with($class, $prefix) && is_file($file)) {
            require $file;
            return;
        }
    }
});
